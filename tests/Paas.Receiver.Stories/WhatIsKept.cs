using System.Security.Cryptography;
using System.Text.Json;
using Paas.Receiver.Processes;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Two releases are kept beside the live one.</summary>
public sealed class KeepsTwo : SharedReceiver
{
    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string> { ["PAAS_KEEP_RELEASES"] = "2" };
}

/// <summary>Issue 2, items 5 and 6: what a release leaves on disk, for how long, and what its record says.</summary>
public sealed class WhatIsKept(KeepsTwo shared) : IClassFixture<KeepsTwo>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task Old_releases_go_with_their_archives_and_backups_and_the_last_two_stay_whole()
    {
        await using var git = await GitClient.NewAsync(receiver, "prunes", "counter");
        var ids = new List<string>();
        for (var number = 1; number <= 6; number++)
        {
            await git.CommitFileAsync("NUMBER", $"{number}\n");
            var push = await git.PushAsync();
            Assert.True(push.Accepted, push.Text);
            ids.Add(Live("prunes"));
            await receiver.AskAsync("prunes.localhost");
        }

        var project = receiver.Project("prunes");
        Assert.Equal(ids.TakeLast(3), Releases(project, "deploy"));
        Assert.Equal(ids.TakeLast(3), Releases(project, "releases"));
        // A release's data is in the backup of the deployment that took its place.
        var archives = Releases(project, "archives");
        Assert.Subset(ids.TakeLast(3).ToHashSet(), archives.ToHashSet());
        foreach (var (backup, visitors) in new[] { (ids[4], 4), (ids[5], 5) })
        {
            Assert.Equal($"{visitors}\n", await File.ReadAllTextAsync(Path.Combine(project, "archives", backup, "data", "counter")));
        }

        await Patience.UntilAsync(() => !Directory.EnumerateFileSystemEntries(Path.Combine(project, "build"), ".discarded-*").Any(), "what was pruned is deleted");
    }

    [Fact]
    public async Task Failed_deployments_take_no_kept_release_away()
    {
        await using var git = await GitClient.NewAsync(receiver, "fails-often", "hello");
        var ids = new List<string>();
        for (var number = 1; number <= 3; number++)
        {
            await git.CommitFileAsync("VERSION", $"{number}\n");
            Assert.True((await git.PushAsync()).Accepted);
            ids.Add(Live("fails-often"));
        }

        await git.WriteAsync("Procfile", "web: exit 1\n");
        for (var number = 4; number <= 8; number++)
        {
            await git.CommitFileAsync("VERSION", $"{number}\n");
            Assert.False((await git.PushAsync()).Accepted);
        }

        await git.WriteAsync("Procfile", "web: exec /usr/bin/python3 app.py\n");
        await git.CommitFileAsync("VERSION", "9\n");
        Assert.True((await git.PushAsync()).Accepted);

        ids.Add(Live("fails-often"));
        Assert.Equal(ids.TakeLast(3), Releases(receiver.Project("fails-often"), "deploy"));
        Assert.Equal(ids.TakeLast(3), Releases(receiver.Project("fails-often"), "releases"));
        Assert.InRange(Directory.EnumerateDirectories(Path.Combine(receiver.Project("fails-often"), "archives"), "*", SearchOption.AllDirectories).Count(path => Path.GetFileName(path) == "run.failed"), 0, 2);
    }

    [Fact]
    public async Task The_record_beside_the_archive_is_true()
    {
        await using var pillar = await GitClient.NewAsync(receiver, "recorded/pillar");
        await pillar.CommitFileAsync("init.sls", "env:\n  COLOUR: blue\n");
        Assert.True((await pillar.PushAsync()).Accepted);
        await using var git = await GitClient.NewAsync(receiver, "recorded", "hello");
        Assert.True((await git.PushAsync()).Accepted);

        var release = Live("recorded");
        var deliverables = Path.Combine(receiver.Project("recorded"), "releases", release);
        using var document = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(deliverables, "release.json")));
        var record = document.RootElement;
        Assert.Equal("recorded", record.GetProperty("project").GetString());
        Assert.Equal("local", record.GetProperty("environment").GetString());
        Assert.Equal(1, record.GetProperty("release").GetInt32());
        Assert.Equal(release, record.GetProperty("id").GetString());
        Assert.Equal(await git.HeadAsync(), record.GetProperty("commit").GetString());
        Assert.Equal(await pillar.HeadAsync(), record.GetProperty("pillarCommit").GetString());
        Assert.Equal("cooking", record.GetProperty("mode").GetString());
        Assert.Equal("Live", record.GetProperty("outcome").GetString());
        var archive = Path.Combine(deliverables, record.GetProperty("archive").GetProperty("file").GetString()!);
        var bytes = await File.ReadAllBytesAsync(archive);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(bytes)), record.GetProperty("archive").GetProperty("sha256").GetString());
        Assert.Equal(bytes.Length, record.GetProperty("archive").GetProperty("bytes").GetInt64());
        Assert.Matches("^[0-9a-f]{64}$", record.GetProperty("contentDigest").GetString());
        var steps = record.GetProperty("steps").EnumerateArray().Select(step => step.GetProperty("name").GetString()).ToList();
        Assert.Subset(steps.ToHashSet(), new HashSet<string?> { "checkout", "build", "seal", "bundle", "start", "healthy", "promote", "switch" });
        await AssertUnpacksToAsync(archive, Path.Combine(receiver.Project("recorded"), "deploy", release));
    }

    [Fact]
    public async Task The_same_commit_gives_the_same_archive_byte_for_byte()
    {
        await using var git = await GitClient.NewAsync(receiver, "same-bytes", "hello");
        await git.WriteHookAsync("build", "mkdir -p made/deeper\necho made >made/deeper/file\nln -s file made/deeper/link\nchmod 0700 made");
        await git.CommitAsync("Build");
        await using var pillar = await GitClient.NewAsync(receiver, "same-bytes/pillar");
        await pillar.CommitFileAsync("init.sls", "env:\n  COLOUR: blue\n");
        var digests = new List<string>();

        Assert.True((await git.PushAsync()).Accepted);
        digests.Add(await DigestAsync("same-bytes"));
        var again = await pillar.PushAsync("deploy"); // the same commit, once more
        digests.Add(await DigestAsync("same-bytes"));
        await using var elsewhere = await GitClient.NewAsync(receiver, "same-bytes-2");
        await elsewhere.GitAsync("pull", "-q", git.Directory, "main");
        Assert.True((await elsewhere.PushAsync()).Accepted);
        digests.Add(await DigestAsync("same-bytes-2"));

        Assert.Contains(again.Remote, line => line.Contains("v2 is live", StringComparison.Ordinal));
        Assert.Single(digests.Distinct());
    }

    async Task<string> DigestAsync(string project)
    {
        var file = Assert.Single(Directory.GetFiles(Path.Combine(receiver.Project(project), "releases", Live(project)), "*.tar.zst"));
        return Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(file)));
    }

    string Live(string project) => new FileInfo(Path.Combine(receiver.Project(project), "deploy", "current")).LinkTarget!;

    static List<string> Releases(string project, string below) =>
        Directory.EnumerateDirectories(Path.Combine(project, below)).Where(path => new DirectoryInfo(path).LinkTarget is null).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal).ToList();

    static async Task AssertUnpacksToAsync(string archive, string tree)
    {
        var unpacked = Places.NewScratch("unpacked");
        try
        {
            await new Command("tar", "--zstd", "-xf", archive, "-C", unpacked).OutputAsync();
            var differences = await new Command("diff", "-r", "--no-dereference", unpacked, tree).RunAsync();
            Assert.True(differences.ExitCode == 0, differences.Output);
        }
        finally
        {
            await Leftovers.RemoveAsync(unpacked);
        }
    }
}

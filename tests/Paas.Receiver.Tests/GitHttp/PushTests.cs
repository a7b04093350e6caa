using System.Collections.Concurrent;
using Paas.Receiver.Git;
using Paas.Receiver.Projects;
using Xunit;
using Xunit.Abstractions;

namespace Paas.Receiver.GitHttp;

public class PushTests(ITestOutputHelper output)
{
    const string Main = "refs/heads/main";

    [Fact]
    public async Task A_push_streams_its_deployment_and_moves_the_ref_when_it_is_live()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var tree = await receiver.NewWorkTreeAsync("shop.git");
        var head = await tree.HeadAsync();
        string? refMeanwhile = "never looked";
        receiver.Deploy = async (_, log) =>
        {
            log.Title("playing");
            refMeanwhile = await receiver.Repository("shop").ReadRefAsync(Main);
            return true;
        };

        var (code, said) = await tree.TryGitAsync("push", "origin", "main");

        Assert.True(code == 0, said);
        Assert.Contains("remote: -----> playing", said, StringComparison.Ordinal);
        Assert.Null(refMeanwhile);
        Assert.Equal(head, await receiver.Repository("shop").ReadRefAsync(Main));
        var request = Assert.Single(receiver.Submitted);
        Assert.Equal((Main, null, head, false), (request.Ref, request.OldCommit, request.NewCommit, request.Async));
        Assert.Equal("127.0.0.1", request.From);
        Assert.Equal("deployment-1", Assert.Single(receiver.RefMoved));
        Assert.Equal(0, receiver.Pushes.Count);
    }

    [Fact]
    public async Task Lines_reach_the_pusher_while_the_deployment_still_runs()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var tree = await receiver.NewWorkTreeAsync("shop.git");
        var seen = new TaskCompletionSource();
        receiver.Deploy = async (_, log) =>
        {
            log.Title("first line");
            await seen.Task.WaitAsync(TimeSpan.FromSeconds(30));
            log.Title("second line");
            return true;
        };

        await using var push = tree.Command("push", "origin", "main").Start();
        using var reader = new StreamReader(push.Error);
        var lines = new List<string>();
        while (await reader.ReadLineAsync() is { } line)
        {
            lines.Add(line);
            if (line.Contains("first line", StringComparison.Ordinal))
            {
                seen.SetResult();
            }
        }

        Assert.Equal(0, await push.WaitAsync());
        Assert.Contains(lines, line => line.Contains("second line", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_failed_deployment_fails_the_push_and_the_same_commit_can_be_pushed_again()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var tree = await receiver.NewWorkTreeAsync("shop.git");
        receiver.Deploy = (_, log) =>
        {
            log.Trouble("it does not start");
            return Task.FromResult(false);
        };

        var (code, said) = await tree.TryGitAsync("push", "origin", "main");

        Assert.NotEqual(0, code);
        Assert.Contains("remote:  !     it does not start", said, StringComparison.Ordinal);
        Assert.Empty(receiver.RefMoved);
        receiver.Deploy = (_, _) => Task.FromResult(true);
        Assert.Equal(0, (await tree.TryGitAsync("push", "origin", "main")).Code);
    }

    [Fact]
    public async Task A_refusal_and_a_trouble_of_our_own_fail_the_push_and_the_next_one_works()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var tree = await receiver.NewWorkTreeAsync("shop.git");
        receiver.Check = (_, _) => ["first reason", "second\u001b[31m reason"];
        var (refused, said) = await tree.TryGitAsync("push", "origin", "main");
        receiver.Check = (_, _) => throw new InvalidOperationException("a secret of ours");
        var (failed, apology) = await tree.TryGitAsync("push", "origin", "main");
        receiver.Check = (_, _) => [];

        Assert.NotEqual(0, refused);
        Assert.Contains(" !     first reason", said, StringComparison.Ordinal);
        Assert.DoesNotContain("\u001b[31m", said, StringComparison.Ordinal);
        Assert.NotEqual(0, failed);
        Assert.Contains("its operator's log says why", apology, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", apology, StringComparison.Ordinal);
        Assert.Equal(0, (await tree.TryGitAsync("push", "origin", "main")).Code);
    }

    [Fact]
    public async Task A_push_of_which_nothing_is_accepted_makes_no_project()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        receiver.Check = (_, _) => ["no"];
        var tree = await receiver.NewWorkTreeAsync("shop.git");

        await Task.WhenAll(tree.TryGitAsync("push", "origin", "main"), tree.TryGitAsync("push", "origin", "main"), tree.TryGitAsync("ls-remote", "origin"));

        Assert.Empty(receiver.Projects.List());
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(receiver.Root, "srv", "projects")));
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(receiver.Root, "state", "pushes")));
    }

    [Fact]
    public async Task A_project_that_was_made_before_survives_a_refused_push()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        receiver.Projects.FindOrCreate(null, ProjectName.Parse("shop"));
        receiver.Check = (_, _) => ["no"];
        var tree = await receiver.NewWorkTreeAsync("shop.git");

        await tree.TryGitAsync("push", "origin", "main");

        Assert.Single(receiver.Projects.List());
    }

    [Fact]
    public async Task Options_are_handed_on_and_wrong_ones_refuse_the_push()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var tree = await receiver.NewWorkTreeAsync("shop.git");

        var (refused, said) = await tree.TryGitAsync("push", "-o", "asinc", "-o", "it's \"quoted\" $(touch x) `y`", "origin", "main");
        var (accepted, _) = await tree.TryGitAsync("push", "-o", "mode=editable", "-o", "rebuild", "origin", "main");

        Assert.NotEqual(0, refused);
        Assert.Contains("Did you mean 'async'?", said, StringComparison.Ordinal);
        Assert.Contains("'it's \"quoted\" $(touch x) `y`'", said, StringComparison.Ordinal);
        Assert.Equal(0, accepted);
        var request = Assert.Single(receiver.Submitted);
        Assert.Equal((Mode.Editable, true), (request.Mode, request.Rebuild));
    }

    [Fact]
    public async Task An_async_push_moves_its_ref_before_the_deployment_begins_and_does_not_wait_for_it()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var tree = await receiver.NewWorkTreeAsync("shop.git");
        var end = new TaskCompletionSource<bool>();
        receiver.Deploy = (_, _) => end.Task;

        var (code, said) = await tree.TryGitAsync("push", "-o", "async", "origin", "main");

        Assert.Equal(0, code);
        Assert.Contains("Deployment deployment-1 of shop goes on in the background", said, StringComparison.Ordinal);
        Assert.Contains("corpus status shop", said, StringComparison.Ordinal);
        Assert.Equal(await tree.HeadAsync(), await receiver.Repository("shop").ReadRefAsync(Main));
        Assert.True(Assert.Single(receiver.Submitted).Async);
        Assert.Equal("deployment-1", Assert.Single(receiver.RefMoved));
        end.SetResult(false);
    }

    [Fact]
    public async Task Without_a_deployment_the_ref_just_moves()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var tree = await receiver.NewWorkTreeAsync("shop.git");

        var (code, said) = await tree.TryGitAsync("push", "-o", "no-deploy", "origin", "main");

        Assert.Equal(0, code);
        Assert.Contains("kept, not deployed, as you asked", said, StringComparison.Ordinal);
        Assert.Empty(receiver.Submitted);
    }

    [Fact]
    public async Task Another_branch_is_kept_and_said_not_to_be_deployed()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var tree = await receiver.NewWorkTreeAsync("shop.git");
        await tree.GitAsync("tag", "v1");

        var (code, said) = await tree.TryGitAsync("push", "origin", "main:feature", "v1");

        Assert.Equal(0, code);
        Assert.Contains("feature is kept, not deployed; main or master deploys", said, StringComparison.Ordinal);
        Assert.Empty(receiver.Submitted);
        Assert.Equal(await tree.HeadAsync(), await receiver.Repository("shop").ReadRefAsync("refs/tags/v1"));
    }

    [Fact]
    public async Task A_first_push_of_master_is_what_a_clone_checks_out()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var tree = await receiver.NewWorkTreeAsync("shop.git");

        await tree.GitAsync("push", "origin", "main:master");
        var clone = Path.Combine(receiver.Root, "clone");
        await tree.GitAsync("clone", "--quiet", receiver.Url("shop.git"), clone);

        Assert.Equal("master", await new WorkTree(clone).GitAsync("symbolic-ref", "--short", "HEAD"));
        Assert.Equal("hello\n", await File.ReadAllTextAsync(Path.Combine(clone, "README")));
    }

    [Fact]
    public async Task Forced_deleted_and_atomic_pushes_do_what_git_says()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var tree = await receiver.NewWorkTreeAsync("shop.git");
        await tree.GitAsync("push", "origin", "main", "main:side");
        var before = await tree.HeadAsync();
        await tree.GitAsync("commit", "--quiet", "--amend", "--message", "other");

        Assert.NotEqual(0, (await tree.TryGitAsync("push", "origin", "main")).Code);
        Assert.Equal(0, (await tree.TryGitAsync("push", "--force", "origin", "main")).Code);
        Assert.Equal(before, receiver.Submitted[^1].OldCommit);
        Assert.Equal(0, (await tree.TryGitAsync("push", "origin", ":side")).Code);
        var (code, said) = await tree.TryGitAsync("push", "origin", ":main");
        Assert.NotEqual(0, code);
        Assert.Contains("cannot be deleted", said, StringComparison.Ordinal);

        receiver.Deploy = (_, _) => Task.FromResult(false);
        await tree.CommitAsync("next", "x");
        Assert.NotEqual(0, (await tree.TryGitAsync("push", "--atomic", "origin", "main", "main:side")).Code);
        Assert.Null(await receiver.Repository("shop").ReadRefAsync("refs/heads/side"));
        Assert.NotEqual(0, (await tree.TryGitAsync("push", "origin", "main", "main:side")).Code);
        Assert.Equal(await tree.HeadAsync(), await receiver.Repository("shop").ReadRefAsync("refs/heads/side"));
        Assert.Equal(await tree.GitAsync("rev-parse", "HEAD~"), await receiver.Repository("shop").ReadRefAsync(Main));
    }

    [Fact]
    public async Task Two_deploying_branches_at_once_are_refused_before_anything_is_deployed()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var tree = await receiver.NewWorkTreeAsync("shop.git");

        var (code, said) = await tree.TryGitAsync("push", "--atomic", "origin", "main", "main:master");

        Assert.NotEqual(0, code);
        Assert.Contains("Only one branch deploys in a push", said, StringComparison.Ordinal);
        Assert.Empty(receiver.Submitted);
    }

    [Fact]
    public async Task Two_thousand_refs_are_one_push_with_one_deployment()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var tree = await receiver.NewWorkTreeAsync("shop.git");
        var head = await tree.HeadAsync();
        await File.WriteAllLinesAsync(Path.Combine(tree.Directory, ".git", "packed-refs"), Enumerable.Range(0, 2000).Select(i => $"{head} refs/heads/b{i}"));

        var watch = System.Diagnostics.Stopwatch.StartNew();
        var (code, said) = await tree.TryGitAsync("push", "--all", "origin");
        output.WriteLine($"2,001 refs: {watch.Elapsed.TotalSeconds:0.0} s");

        Assert.True(code == 0, said);
        Assert.Single(receiver.Submitted);
        Assert.Equal(2001, (await tree.GitAsync("ls-remote", "--heads", "origin")).Split('\n').Length);
        Assert.Contains("1995 more branches are kept", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_empty_project_can_be_cloned_and_a_shallow_clone_can_push()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        receiver.Projects.FindOrCreate(null, ProjectName.Parse("shop"));
        var tree = await receiver.NewWorkTreeAsync("shop.git");
        var (empty, shallow) = (Path.Combine(receiver.Root, "empty"), Path.Combine(receiver.Root, "shallow"));
        Assert.Equal(0, (await tree.TryGitAsync("clone", receiver.Url("shop.git"), empty)).Code);
        await tree.CommitAsync("second", "2");
        await tree.GitAsync("push", "origin", "main");

        await tree.GitAsync("clone", "--quiet", "--depth", "1", receiver.Url("shop.git"), shallow);
        var commit = await new WorkTree(shallow).CommitAsync("third", "3");
        await new WorkTree(shallow).GitAsync("push", "origin", "main");
        var partial = await tree.TryGitAsync("clone", "--quiet", "--filter=blob:none", receiver.Url("shop.git"), Path.Combine(receiver.Root, "partial"));

        Assert.Equal(commit, await receiver.Repository("shop").ReadRefAsync(Main));
        Assert.Equal(0, partial.Code);
        await tree.GitAsync("fetch", "--quiet", "origin");
        Assert.Equal(commit, await tree.GitAsync("rev-parse", "origin/main"));
    }

    [Theory]
    [InlineData("0")]
    [InlineData("1")]
    [InlineData("2")]
    public async Task Every_version_of_the_protocol_is_spoken(string version)
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var tree = await receiver.NewWorkTreeAsync("shop.git");
        var clone = Path.Combine(receiver.Root, "clone");

        await tree.GitAsync("-c", $"protocol.version={version}", "push", "origin", "main");
        await tree.GitAsync("-c", $"protocol.version={version}", "clone", "--quiet", receiver.Url("shop.git"), clone);

        Assert.Equal(await tree.HeadAsync(), await new WorkTree(clone).HeadAsync());
    }

    [Fact]
    public async Task A_mirror_push_keeps_everything_and_deploys_the_branch_once()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var tree = await receiver.NewWorkTreeAsync("shop.git");
        await tree.GitAsync("branch", "feature");
        await tree.GitAsync("tag", "v1");
        await tree.GitAsync("notes", "add", "--message", "noted", "HEAD");

        Assert.Equal(0, (await tree.TryGitAsync("push", "--mirror", "origin")).Code);

        Assert.Single(receiver.Submitted);
        Assert.Equal(
            ["HEAD", "refs/heads/feature", Main, "refs/notes/commits", "refs/tags/v1"],
            (await tree.GitAsync("ls-remote", "origin")).Split('\n').Select(line => line.Split('\t')[1]).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_repository_of_another_hash_is_refused_and_makes_no_project()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var tree = await WorkTree.InitAsync(Path.Combine(receiver.Root, "sha256"), "--object-format=sha256");
        await tree.CommitAsync("a", "1");

        var (code, _) = await tree.TryGitAsync("push", receiver.Url("shop.git"), "main");

        Assert.NotEqual(0, code);
        Assert.Empty(receiver.Projects.List());
    }

    [Fact]
    public async Task Hostile_objects_and_names_are_refused()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var tree = await receiver.NewWorkTreeAsync("shop.git");
        var blob = await tree.GitAsync("hash-object", "-w", "README");
        await File.WriteAllTextAsync(Path.Combine(tree.Directory, "tree"), $"100644 blob {blob}\t.git\n");
        await using var make = tree.Command("mktree").Start();
        await make.Input.WriteAsync(await File.ReadAllBytesAsync(Path.Combine(tree.Directory, "tree")));
        make.Input.Close();
        var hostile = await tree.GitAsync("commit-tree", "-m", "hostile", (await make.ReadAllAsync(make.Output)).Trim());

        var (code, said) = await tree.TryGitAsync("push", "origin", $"{hostile}:{Main}");
        var (hidden, _) = await tree.TryGitAsync("push", "origin", "HEAD:refs/paas/x");
        var (dash, _) = await tree.TryGitAsync("push", "origin", "HEAD:refs/heads/-x");

        Assert.NotEqual(0, code);
        Assert.Contains("contains '.git'", said, StringComparison.Ordinal);
        Assert.NotEqual(0, hidden);
        Assert.NotEqual(0, dash);
        Assert.Empty(receiver.Submitted);
        Assert.Empty(receiver.Projects.List());
    }

    [Fact]
    public async Task Two_pushes_of_one_project_at_once_each_have_their_own_conversation()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var said = new ConcurrentBag<(int, string)>();
        receiver.Deploy = async (request, log) =>
        {
            await Eventually.TrueAsync(() => receiver.Submitted.Count == 6, "all six pushes are here at once");
            log.Title($"for {request.NewCommit}");
            return true;
        };

        await Task.WhenAll(Enumerable.Range(0, 6).Select(async i =>
        {
            var tree = await receiver.NewWorkTreeAsync(i < 2 ? "shop.git" : $"shop{i}.git");
            var head = await tree.CommitAsync("mine", $"{i}");
            var (code, text) = await tree.TryGitAsync("push", "origin", "main");
            said.Add((code, text.Replace(head, "HEAD", StringComparison.Ordinal)));
        }));

        Assert.All(said, pair => Assert.Contains("for HEAD", pair.Item2, StringComparison.Ordinal));
        Assert.Equal(5, said.Count(pair => pair.Item1 == 0)); // of the two that made the same ref, git lets one through
        Assert.Equal(0, receiver.Pushes.Count);
    }

    [Fact]
    public async Task A_pillar_push_stores_and_deploys_only_when_asked()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var tree = await receiver.NewWorkTreeAsync("shop/pillar.git");

        var (stored, said) = await tree.TryGitAsync("push", "origin", "main");
        Assert.Empty(receiver.Submitted);
        await tree.CommitAsync("init.sls", "env: {}\n");
        var (deployed, streamed) = await tree.TryGitAsync("push", "-o", "deploy", "origin", "main");

        Assert.Equal((0, 0), (stored, deployed));
        Assert.Contains("The configuration of shop is stored", said, StringComparison.Ordinal);
        Assert.Equal(Deployments.DeploymentKind.Reconfigure, Assert.Single(receiver.Submitted).Kind);
        Assert.Contains("-----> playing", streamed, StringComparison.Ordinal);
        Assert.False(receiver.Repository("shop").Exists);
    }

    [Fact]
    public async Task Sixty_four_megabytes_pass_through_without_staying_in_memory()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        await PushLargeAsync(receiver, megabytes: 64, mayGrow: 48);
    }

    [Fact]
    public async Task A_gigabyte_passes_through_without_staying_in_memory()
    {
        if (System.Environment.GetEnvironmentVariable("PAAS_MEASURE") is null)
        {
            output.WriteLine("Skipped: it takes minutes, and is asked for with PAAS_MEASURE=1.");
            return;
        }

        await using var receiver = await PushingReceiver.StartAsync();
        await PushLargeAsync(receiver, megabytes: 1024, mayGrow: 48);
    }

    [Fact]
    public async Task A_push_over_the_limit_is_refused_and_leaves_nothing()
    {
        await using var receiver = await PushingReceiver.StartAsync(maxInputSize: 1_000_000);
        var tree = await receiver.NewWorkTreeAsync("shop.git");
        await WriteNoiseAsync(Path.Combine(tree.Directory, "noise"), 3 << 20);
        await tree.GitAsync("add", "--all");
        await tree.GitAsync("commit", "--quiet", "--message", "noise");

        var (code, said) = await tree.TryGitAsync("push", "origin", "main");

        Assert.NotEqual(0, code);
        Assert.Contains("exceeds maximum allowed size", said, StringComparison.Ordinal);
        Assert.Empty(receiver.Projects.List());
    }

    [Theory]
    [InlineData("srv/projects", "1m")]
    [InlineData("state/pushes", "8k")]
    public async Task A_full_disk_fails_the_push_and_leaves_nothing(string where, string size)
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var directory = Path.Combine(receiver.Root, where);
        await using var full = await SmallDisk.TryMountAsync(directory, size);
        if (full is null)
        {
            output.WriteLine("Skipped: a small tmpfs can be mounted by root only.");
            return;
        }

        if (size == "8k")
        {
            await WriteNoiseAsync(Path.Combine(directory, "in-the-way"), 8192);
        }

        var tree = await receiver.NewWorkTreeAsync("shop.git");
        await WriteNoiseAsync(Path.Combine(tree.Directory, "noise"), 3 << 20);
        await tree.GitAsync("add", "--all");
        await tree.GitAsync("commit", "--quiet", "--message", "noise");

        Assert.NotEqual(0, (await tree.TryGitAsync("push", "origin", "main")).Code);

        Assert.Empty(receiver.Submitted);
        Assert.Empty(receiver.Projects.List());
        Assert.Equal(size == "8k" ? 1 : 0, Directory.GetFileSystemEntries(directory).Length);
        Assert.Equal(0, receiver.Pushes.Count);
    }

    async Task PushLargeAsync(PushingReceiver receiver, int megabytes, int mayGrow)
    {
        var tree = await receiver.NewWorkTreeAsync("shop.git");
        await tree.GitAsync("push", "origin", "main"); // everything is loaded and warm
        for (var i = 0; i < megabytes; i += 32)
        {
            await WriteNoiseAsync(Path.Combine(tree.Directory, $"noise{i}"), 32 << 20);
        }

        await tree.GitAsync("-c", "core.compression=0", "add", "--all");
        await tree.GitAsync("commit", "--quiet", "--message", "noise");
        GC.Collect();
        var before = WorkingSet();
        var peak = 0L;
        using var enough = new CancellationTokenSource();
        var watching = Task.Run(async () =>
        {
            while (!enough.IsCancellationRequested)
            {
                peak = Math.Max(peak, WorkingSet());
                await Task.Delay(20);
            }
        });

        var watch = System.Diagnostics.Stopwatch.StartNew();
        var (code, said) = await tree.TryGitAsync("-c", "core.compression=0", "-c", "core.bigFileThreshold=1m", "push", "origin", "main");
        await enough.CancelAsync();
        await watching;
        output.WriteLine($"{megabytes} MB in {watch.Elapsed.TotalSeconds:0} s: resident {before >> 20} MB before, {peak >> 20} MB at most");

        Assert.True(code == 0, said);
        Assert.True(peak - before < mayGrow << 20, $"resident memory grew by {(peak - before) >> 20} MB");
        var clone = Path.Combine(receiver.Root, "clone");
        await tree.GitAsync("clone", "--quiet", "--no-checkout", receiver.Url("shop.git"), clone);
        Assert.Equal(await tree.HeadAsync(), await new WorkTree(clone).HeadAsync());
    }

    static long WorkingSet() => System.Environment.WorkingSet;

    static async Task WriteNoiseAsync(string path, int bytes)
    {
        var noise = new byte[Math.Min(bytes, 1 << 20)];
        await using var file = File.Create(path);
        for (var i = 0; i < bytes; i += noise.Length)
        {
            Random.Shared.NextBytes(noise);
            await file.WriteAsync(noise);
        }
    }
}

using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Paas.Receiver.Processes;
using Paas.Receiver.Stage;
using Xunit;
using Xunit.Abstractions;

namespace Paas.Receiver;

/// <summary>Submodules, large files, what is not exported, and one repository for many projects.</summary>
public sealed class RepositoriesThatReferToMore(SharedReceiver shared, ITestOutputHelper output) : IClassFixture<SharedReceiver>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task A_submodule_kept_here_is_part_of_the_release_and_so_is_one_inside_it()
    {
        await using var innermost = await GitClient.NewAsync(receiver, "sub-inner");
        await innermost.CommitFileAsync("word", "innermost\n");
        Assert.True((await innermost.PushAsync("no-deploy")).Accepted);
        await using var library = await GitClient.NewAsync(receiver, "sub-library");
        await library.CommitFileAsync("greeting", "from the library\n");
        await AddSubmoduleAsync(library, "deep/inner", "../sub-inner.git", await innermost.HeadAsync());
        Assert.True((await library.PushAsync("no-deploy")).Accepted);
        await using var git = await ServingAsync("has-submodule", "cat vendor/lib/greeting vendor/lib/deep/inner/word");
        await AddSubmoduleAsync(git, "vendor/lib", "../sub-library.git", await library.HeadAsync());

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Equal("from the library\ninnermost\n", (await receiver.AskAsync("has-submodule.localhost")).Body);

        // It moves on, then goes.
        await library.CommitFileAsync("greeting", "from the library, second edition\n");
        Assert.True((await library.PushAsync("no-deploy")).Accepted);
        await PointSubmoduleAsync(git, "vendor/lib", await library.HeadAsync());
        Assert.True((await git.PushAsync()).Accepted);
        Assert.StartsWith("from the library, second edition\n", (await receiver.AskAsync("has-submodule.localhost")).Body, StringComparison.Ordinal);
        await git.GitAsync("rm", "-q", "--cached", "vendor/lib");
        await git.WriteAsync("vendor/lib/greeting", "our own\n");
        await git.WriteAsync("vendor/lib/deep/inner/word", "word\n");
        await git.CommitAsync("Take it over");
        var last = await git.PushAsync();
        Assert.True(last.Accepted, last.Text);
        Assert.Equal("our own\nword\n", (await receiver.AskAsync("has-submodule.localhost")).Body);
    }

    [Theory]
    [InlineData("https://example.org/x.git", "relative to this repository's, such as ../NAME.git")]
    [InlineData("../../../../x.git", "relative to this repository's, such as ../NAME.git")]
    [InlineData("../never-heard-of.git", "which is not there or which you may not read")]
    [InlineData("../sub-known.git", "which is not there: push that first")]
    public async Task A_submodule_that_leads_nowhere_is_refused_in_words(string url, string words)
    {
        await using var known = await GitClient.NewAsync(receiver, "sub-known");
        await known.CommitFileAsync("word", $"known {Guid.NewGuid()}\n");
        await known.PushAsync("no-deploy");
        await using var git = await ServingAsync("bad-submodule", "true");
        await AddSubmoduleAsync(git, "vendor/lib", url, new string('1', 40));

        var push = await git.PushAsync();

        Assert.False(push.Accepted);
        Assert.Contains(push.Remote, line => line.StartsWith(" !     ", StringComparison.Ordinal) && line.Contains(words, StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_is_not_to_be_exported_is_not_in_the_release()
    {
        await using var git = await ServingAsync("exports", "find . -type f -not -name plain | LC_ALL=C sort");
        await git.WriteAsync(".gitattributes", "/docs export-ignore\n*.psd export-ignore\ntests/** export-ignore\n");
        foreach (var path in new[] { "docs/guide/one.md", "art/logo.psd", "art/logo.svg", "tests/a", "src/docs/kept" })
        {
            await git.WriteAsync(path, "x\n");
        }

        await git.CommitAsync("Much");

        Assert.True((await git.PushAsync()).Accepted);

        Assert.Equal("./.gitattributes\n./Procfile\n./art/logo.svg\n./src/docs/kept\n", (await receiver.AskAsync("exports.localhost")).Body);
        Assert.True(File.Exists(Path.Combine(receiver.Project("exports"), "project", "docs", "guide", "one.md")));
    }

    [Fact]
    public async Task A_project_may_live_below_a_path_of_a_repository_and_is_left_alone_when_nothing_changed_there()
    {
        await using var git = await GitClient.NewAsync(receiver, "monorepo");
        foreach (var name in new[] { "one", "two" })
        {
            await git.WriteAsync($"apps/{name}/Procfile", Serving($"cat word; ls; echo ../{name}"));
            await git.WriteAsync($"apps/{name}/word", $"{name} 1\n");
        }

        await git.CommitAsync("Both");
        await using var pillar = await GitClient.NewAsync(receiver, "monorepo/pillar");
        await pillar.CommitFileAsync("init.sls", "paas:\n  path: apps/two\n");
        Assert.True((await pillar.PushAsync()).Accepted);

        var first = await git.PushAsync();
        await git.CommitFileAsync("apps/one/word", "one 2\n");
        var elsewhere = await git.PushAsync();
        await git.CommitFileAsync("apps/two/word", "two 3\n");
        var here = await git.PushAsync();

        Assert.True(first.Accepted, first.Text);
        Assert.True(elsewhere.Accepted, elsewhere.Text);
        Assert.Contains(elsewhere.Remote, line => line.Contains("Nothing below apps/two has changed since v1", StringComparison.Ordinal));
        Assert.Contains(here.Remote, line => line.Contains("v2 is live", StringComparison.Ordinal));
        Assert.StartsWith("two 3\nProcfile\n", (await receiver.AskAsync("monorepo.localhost")).Body, StringComparison.Ordinal);
        await pillar.CommitFileAsync("init.sls", "paas:\n  path: apps/three\n");
        var nowhere = await pillar.PushAsync("deploy");
        Assert.Contains(nowhere.Remote, line => line.Contains("there is nothing below 'apps/three'", StringComparison.Ordinal));
        await pillar.CommitFileAsync("init.sls", "paas:\n  path: ../two\n");
        Assert.Contains((await pillar.PushAsync("deploy")).Remote, line => line.Contains("paas.path", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Files_of_git_LFS_are_taken_in_and_are_in_the_release_with_their_content()
    {
        if ((await new Command("git", "lfs", "version").RunAsync()).ExitCode != 0)
        {
            output.WriteLine("skipped: git-lfs is not installed");
            return;
        }

        await using var git = await ServingAsync("has-lfs", "sha256sum <assets/big.bin; stat -c %s assets/big.bin; ./tool.bin");
        await git.GitAsync("lfs", "install", "--local");
        await git.GitAsync("lfs", "track", "*.bin");
        var content = RandomNumberGenerator.GetBytes(3_000_000);
        await git.WriteAsync("assets/.keep", "");
        await File.WriteAllBytesAsync(Path.Combine(git.Directory, "assets", "big.bin"), content);
        await git.WriteAsync("tool.bin", "#!/bin/sh\necho runs\n", executable: true);
        await git.CommitAsync("Large files");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Equal($"{Convert.ToHexStringLower(SHA256.HashData(content))}  -\n3000000\nruns\n", (await receiver.AskAsync("has-lfs.localhost")).Body);

        // And back: a fresh clone gets the content from here.
        var clone = Path.Combine(git.Directory, "..", "clone");
        await git.GitAsync("-c", "filter.lfs.process=git-lfs filter-process", "-c", "filter.lfs.smudge=git-lfs smudge -- %f", "-c", "filter.lfs.required=true", "clone", "-q", await RemoteAsync(git), clone);
        Assert.Equal(content, await File.ReadAllBytesAsync(Path.Combine(clone, "assets", "big.bin")));
    }

    [Fact]
    public async Task A_pointer_without_its_content_is_refused_with_what_to_do()
    {
        await using var git = await ServingAsync("lost-lfs", "true");
        await git.WriteAsync(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
        await git.WriteAsync("art.bin", $"version https://git-lfs.github.com/spec/v1\noid sha256:{new string('a', 64)}\nsize 12345\n");
        await git.CommitAsync("A pointer");

        var push = await git.PushAsync();

        Assert.False(push.Accepted);
        Assert.Contains(push.Remote, line => line.Contains("art.bin is kept in git LFS", StringComparison.Ordinal) && line.Contains("git lfs push --all", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Large_files_are_taken_from_those_who_may_push_and_only_when_they_are_what_they_say()
    {
        var content = Encoding.UTF8.GetBytes("a large file, relatively speaking");
        var id = Convert.ToHexStringLower(SHA256.HashData(content));
        const string repository = "git/lfs-by-hand.git/info/lfs/objects/";
        var batch = new { operation = "upload", transfers = new[] { "basic" }, objects = new[] { new { oid = id, size = content.Length } } };

        Assert.Equal(HttpStatusCode.Unauthorized, (await receiver.Http.PostAsJsonAsync(new Uri(receiver.Address, repository + "batch"), batch)).StatusCode);
        using var asked = await SendAsync(HttpMethod.Post, repository + "batch", JsonContent.Create(batch));
        var answer = JsonDocument.Parse(await asked.Content.ReadAsStringAsync()).RootElement;
        var href = answer.GetProperty("objects")[0].GetProperty("actions").GetProperty("upload").GetProperty("href").GetString()!;
        Assert.EndsWith(repository + id, href, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, (await SendAsync(HttpMethod.Put, repository + id, new ByteArrayContent([1, 2, 3]))).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(HttpMethod.Get, repository + id)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await SendAsync(HttpMethod.Put, repository + id, new ByteArrayContent(content))).StatusCode);
        Assert.Equal(content, await (await SendAsync(HttpMethod.Get, repository + id)).Content.ReadAsByteArrayAsync());
        foreach (var bad in new[] { "{}", "[]", "{\"operation\":\"upload\"}", "{\"operation\":\"steal\",\"objects\":[]}", "{\"operation\":\"upload\",\"objects\":[null]}", "not json", "" })
        {
            Assert.Equal(HttpStatusCode.UnprocessableEntity, (await SendAsync(HttpMethod.Post, repository + "batch", new StringContent(bad))).StatusCode);
        }

        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(HttpMethod.Get, repository + "../../../../HEAD")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(HttpMethod.Get, repository + id.ToUpperInvariant())).StatusCode);
    }

    Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? content = null)
    {
        var request = new HttpRequestMessage(method, new Uri(receiver.Address, path)) { Content = content };
        request.Headers.Authorization = new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"x:{receiver.Token}")));
        return receiver.Http.SendAsync(request);
    }

    static string Serving(string commands) => $"web: ({commands}) >plain; exec /usr/bin/python3 -m http.server --bind 127.0.0.1 \"$PORT\"\n";

    async Task<GitClient> ServingAsync(string project, string commands)
    {
        var git = await GitClient.NewAsync(receiver, project);
        await git.WriteAsync("Procfile", Serving(commands));
        return git;
    }

    static async Task<string> RemoteAsync(GitClient git) => (await git.GitAsync("remote", "get-url", (await git.GitAsync("remote")).Trim())).Trim();

    static async Task AddSubmoduleAsync(GitClient git, string path, string url, string commit)
    {
        await git.WriteAsync(".gitmodules", $"[submodule \"{path}\"]\n\tpath = {path}\n\turl = {url}\n");
        await git.GitAsync("add", "-A");
        await PointSubmoduleAsync(git, path, commit);
    }

    static async Task PointSubmoduleAsync(GitClient git, string path, string commit)
    {
        Directory.CreateDirectory(Path.Combine(git.Directory, path));
        await git.GitAsync("update-index", "--add", "--cacheinfo", $"160000,{commit},{path}");
        await git.GitAsync("commit", "-q", "-m", "Point the submodule");
    }
}

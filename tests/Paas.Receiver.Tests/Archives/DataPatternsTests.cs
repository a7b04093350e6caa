using System.Text;
using System.Text.Json;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Archives;

public sealed class DataPatternsTests : IDisposable
{
    readonly Scratch scratch = new();
    readonly Archivist archivist = new(TimeProvider.System);

    public void Dispose() => scratch.Dispose();

    [Theory]
    [InlineData("cache", "cache", true)]
    [InlineData("cache", "a/cache/x", true)]
    [InlineData("cache", "cached", false)]
    [InlineData("cache/", "a/cache", true)]
    [InlineData("*.tmp", "a/b/x.tmp", true)]
    [InlineData("*.tmp", "x.tmp.gz", false)]
    [InlineData("/cache", "a/cache", false)]
    [InlineData("a/*/c", "a/b/c/d", true)]
    [InlineData("a/*/c", "a/b/b/c", false)]
    [InlineData("a/**/c", "a/c", true)]
    [InlineData("a/**/c", "a/b/b/c", true)]
    [InlineData("uploads/**", "uploads/x", true)]
    [InlineData("fil?", "a/file", true)]
    [InlineData("[x]+", "x", false)]
    [InlineData("[x]+", "[x]+", true)]
    [InlineData("ü*", "a/über", true)]
    [InlineData("*", "anything\nat/all", true)]
    public void A_pattern_names_what_one_expects(string pattern, string path, bool named)
    {
        var patterns = Of($$"""{"exclude": {{JsonSerializer.Serialize(new[] { pattern })}}}""");

        Assert.Equal(named, patterns.Excludes(Encoding.UTF8.GetBytes(path)));
        Assert.Equal(named, Of($$"""{"include": {{JsonSerializer.Serialize(new[] { pattern })}}}""").Takes(Encoding.UTF8.GetBytes(path + "\0")));
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("""{"exclude": 5}""")]
    [InlineData("""{"exclude": [""]}""")]
    [InlineData("""{"exclude": ["/"]}""")]
    [InlineData("""{"exclude": ["../x"]}""")]
    [InlineData("""{"exclud": []}""")]
    public void What_is_no_list_of_patterns_is_refused(string backup) => Assert.Throws<Refusal>(() => Of(backup));

    [Fact]
    public async Task A_backup_takes_only_what_it_should_and_its_restore_leaves_the_rest_alone()
    {
        scratch.Sh("mkdir -p data/db data/cache/deep data/uploads data/.paas/upgrades data/mixed; echo 1 >data/db/rows; echo c >data/cache/deep/c; echo u >data/uploads/u; echo t >data/uploads/u.tmp; echo m >data/.paas/upgrades/010; echo k >data/mixed/keep");
        var patterns = Of("""{"exclude": ["cache", "*.tmp", ".paas"]}""");
        var id = ReleaseId.New(TimeProvider.System);
        _ = await archivist.TakeAsync(scratch.Project, id, CancellationToken.None, patterns);
        Assert.Equal(".paas\n.paas/upgrades\n.paas/upgrades/010\ndb\ndb/rows\nmixed\nmixed/keep\nuploads\nuploads/u\n", scratch.Sh($"cd '{scratch.Archive(id)}'; find . -mindepth 1 -printf '%P\\n' | LC_ALL=C sort"));

        scratch.Sh("echo 2 >data/db/rows; echo new >data/db/new; echo changed >data/cache/deep/c; echo changed >data/uploads/u.tmp; mkdir -p data/fresh/cache data/whole; echo f >data/fresh/f; echo c >data/fresh/cache/c; echo w >data/whole/w; rm data/uploads/u");
        var report = await archivist.RestoreAsync(scratch.Project, id, ReleaseId.New(TimeProvider.System));

        Assert.Equal("1\n", scratch.Sh("cat data/db/rows"));
        Assert.Equal("u\n", scratch.Sh("cat data/uploads/u"));
        Assert.Equal("changed\nchanged\n", scratch.Sh("cat data/cache/deep/c data/uploads/u.tmp"));
        Assert.Equal("c\n", scratch.Sh("cat data/fresh/cache/c"));
        Assert.Equal("", scratch.Sh("ls -d data/db/new data/fresh/f data/whole 2>/dev/null || true"));
        Assert.Equal("w\n", scratch.Sh($"cat '{report.Evidence}/whole/w'"));
        Assert.Equal("f\n", scratch.Sh($"cat '{report.Evidence}/fresh/f'"));
    }

    [Fact]
    public async Task With_include_only_that_is_taken_and_brought_back()
    {
        scratch.Sh("mkdir -p data/db data/logs; echo 1 >data/db/a.sqlite; echo l >data/logs/l; echo x >data/x");
        var id = ReleaseId.New(TimeProvider.System);
        var report = await archivist.TakeAsync(scratch.Project, id, CancellationToken.None, Of("""{"include": ["db/**"]}"""));
        Assert.Equal(1, report.Files);

        scratch.Sh("echo 2 >data/db/a.sqlite; echo n >data/db/n; echo l2 >data/logs/l; echo l2 >data/logs/l2; echo x2 >data/x");
        _ = await archivist.RestoreAsync(scratch.Project, id, ReleaseId.New(TimeProvider.System));

        Assert.Equal("data/db/a.sqlite\ndata/logs/l\ndata/logs/l2\ndata/x\n", scratch.Sh("find data -type f | LC_ALL=C sort"));
        Assert.Equal("1\nl2\nl2\nx2\n", scratch.Sh("cat data/db/a.sqlite data/logs/l data/logs/l2 data/x"));
    }

    [Fact]
    public async Task A_later_backup_with_other_patterns_shares_what_both_have()
    {
        scratch.Sh("mkdir -p data/a data/b; head -c 100000 /dev/urandom >data/a/large; echo b >data/b/b");
        await Task.Delay(TimeSpan.FromMilliseconds(50));
        _ = await archivist.TakeAsync(scratch.Project, ReleaseId.New(TimeProvider.System), CancellationToken.None, Of("""{"exclude": ["b"]}"""));

        var second = await archivist.TakeAsync(scratch.Project, ReleaseId.New(TimeProvider.System), CancellationToken.None);

        Assert.Equal((2, 1, 1), (second.Files, second.Shared, second.Copied));
    }

    static DataPatterns Of(string backup) => DataPatterns.Of(JsonDocument.Parse($$"""{"backup": {{backup}}}""").RootElement);
}

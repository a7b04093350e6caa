using System.Net;
using System.Text.Json;
using Paas.Receiver.Api;
using Paas.Receiver.Archives;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Xunit;

namespace Paas.Receiver.Deployments;

/// <summary>Every archive is read again before anybody relies on it, and what is found damaged goes nowhere.</summary>
public sealed class ArchiveChecksTests : IAsyncLifetime
{
    const string Commit = "cccccccccccccccccccccccccccccccccccccccc";

    ApiStage stage = null!;

    public async Task InitializeAsync() => stage = await ApiStage.OpenAsync();

    public async Task DisposeAsync() => await stage.DisposeAsync();

    [Fact]
    public async Task The_archives_of_a_release_are_all_read_again_once()
    {
        var release = await BundledAsync();

        await stage.The<ArchiveChecks>().CatchUpAsync(CancellationToken.None);

        Assert.Empty(stage.The<ReleaseStore>().Unchecked(stage.Hello));
        Assert.Null(Known(release).Trouble);
        Assert.Equal(HttpStatusCode.OK, (await AskAsync("archive")).Status);
        Assert.Equal(HttpStatusCode.OK, (await AskAsync("image")).Status);
        Assert.Equal(HttpStatusCode.OK, (await AskAsync("archives/docs")).Status);
        Assert.Equal("v1 of local", (await OfferAsync()).Title);
    }

    [Theory]
    [InlineData("archive")]
    [InlineData("image")]
    public async Task What_is_damaged_is_refused_as_a_source_here_and_over_HTTP_and_is_said_by_whom_to_make_it_again(string which)
    {
        var release = await BundledAsync();
        Spoil(which == "archive" ? release.ArchiveFile : release.ImageFile);

        await stage.The<ArchiveChecks>().CatchUpAsync(CancellationToken.None);

        Assert.Contains("is not what was packed", Known(release).Trouble, StringComparison.Ordinal);
        var refusal = await Assert.ThrowsAsync<Refusal>(OfferAsync);
        Assert.Contains("the archive of v1 of local is damaged", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("corpus redeploy hello", refusal.Message, StringComparison.Ordinal);
        var (status, body) = await AskAsync(which);
        Assert.Equal(HttpStatusCode.Conflict, status);
        Assert.Contains("handed over to nobody", body, StringComparison.Ordinal);

        // A receiver elsewhere reads it in the list, before it fetches anything.
        using var listed = JsonDocument.Parse((await AskAsync("")).Body);
        Assert.Contains("is not what was packed", listed.RootElement.GetProperty("archiveTrouble").GetString(), StringComparison.Ordinal);
        using var elsewhere = new ReceiverSource(stage.Url, "local", stage.Admin, TimeSpan.FromMilliseconds(1));
        Assert.NotNull((await elsewhere.FindAsync(stage.Hello.Name, new WantedRelease(Commit), CancellationToken.None))!.Trouble);
    }

    [Fact]
    public async Task An_archive_of_a_part_that_is_damaged_is_not_handed_over_and_the_whole_still_is()
    {
        var release = await BundledAsync();
        Spoil(Deliverable.PartFile(stage.Hello, release.Id, "docs"));

        await stage.The<ArchiveChecks>().CatchUpAsync(CancellationToken.None);

        Assert.Equal(HttpStatusCode.Conflict, (await AskAsync("archives/docs")).Status);
        Assert.Equal(HttpStatusCode.OK, (await AskAsync("archive")).Status);
        Assert.Equal("v1 of local", (await OfferAsync()).Title);
    }

    [Fact]
    public async Task One_that_is_well_packed_but_of_something_else_is_found_too()
    {
        var release = await BundledAsync();
        var store = stage.The<ReleaseStore>();
        store.RecordImage(release, release.ImageDigest!, release.ImageBytes ?? 0, new string('0', 64));
        store.RecordPart(release.Id, store.PartsOf(release.Id).Single() with { Content = new string('0', 64) });

        await Assert.ThrowsAsync<IOException>(() => stage.The<ArchiveChecks>().LookAsync(stage.Hello, release.Id, CancellationToken.None));

        Assert.NotNull(Known(release).ImageTrouble);
        Assert.NotNull(store.PartsOf(release.Id).Single().Trouble);
        Assert.Null(Known(release).ArchiveTrouble);
    }

    /// <summary>A live release with an archive of its tree, one of a part and one of an image.</summary>
    async Task<Release> BundledAsync()
    {
        var release = stage.Release(stage.Hello, Commit);
        Directory.CreateDirectory(Path.Combine(release.Directory, "docs"));
        File.WriteAllText(Path.Combine(release.Directory, "docs", "read.md"), "read me\n");
        Directory.CreateDirectory(release.Deliverables);
        var (bundler, store) = (stage.The<Bundler>(), stage.The<ReleaseStore>());
        var bundle = await bundler.PackAsync(release.Directory, release.ArchiveFile, DateTimeOffset.UnixEpoch, CancellationToken.None);
        store.RecordArchive(release, bundle.ContentDigest, bundle.ArchiveDigest, bundle.Bytes, "c2ln", "key");
        var part = await bundler.PackAsync(release.Directory, Deliverable.PartFile(stage.Hello, release.Id, "docs"), DateTimeOffset.UnixEpoch, DataPatterns.Naming(["docs/**"]), CancellationToken.None);
        store.RecordPart(release.Id, new ReleasePart("docs", part.ArchiveDigest, part.Bytes, part.ContentDigest));
        var image = Path.Combine(release.Deliverables, "image.tar");
        File.WriteAllText(image, "what an engine handed over");
        await new Command("zstd", "-q", image, "-o", release.ImageFile).OutputAsync();
        store.RecordImage(release, DigestOf(release.ImageFile), new FileInfo(release.ImageFile).Length, DigestOf(image));
        return Known(release);
    }

    Release Known(Release release) => stage.The<ReleaseStore>().Find(stage.Hello, release.Id)!;

    async Task<Offer> OfferAsync() => (await stage.The<ReleaseSources>().FindAsync(stage.Hello, new WantedRelease(Commit), only: null, ownFirst: true, _ => true, CancellationToken.None)).Offer;

    async Task<(HttpStatusCode Status, string Body)> AskAsync(string what)
    {
        using var client = stage.Client(stage.Admin);
        using var answer = await client.GetAsync(new Uri($"api/v1/projects/local/hello/releases/1/{what}".TrimEnd('/'), UriKind.Relative));
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    static void Spoil(string file)
    {
        var bytes = File.ReadAllBytes(file);
        bytes[^5] ^= 1;
        File.WriteAllBytes(file, bytes);
    }

    static string DigestOf(string file) => Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(file)));
}

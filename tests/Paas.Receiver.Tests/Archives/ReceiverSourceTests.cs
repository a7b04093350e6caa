using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Paas.Receiver.Contract;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Archives;

/// <summary>Another receiver as it may be: quick, broken, lying. The real protocol over a real socket.</summary>
public sealed class ReceiverSourceTests : IAsyncLifetime
{
    const string Commit = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    static readonly ProjectName Shop = ProjectName.Parse("shop");

    readonly string place = Directory.CreateTempSubdirectory("source").FullName;
    readonly byte[] archive = RandomNumberGenerator.GetBytes(3_000_000);
    readonly List<string> ranges = [];
    WebApplication server = null!;
    ReceiverSource source = null!;
    Func<HttpContext, Task> answer = null!;
    string listing = "";

    public async Task InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        server = builder.Build();
        server.MapGet("/api/v1/projects/staging/shop/releases", (HttpContext context) =>
            context.Request.Headers.Authorization == "Bearer secret" ? Results.Text(listing, "application/json") : Results.StatusCode(401));
        server.MapGet("/api/v1/projects/staging/shop/releases/{number:int}/archive", async (HttpContext context) =>
        {
            ranges.Add(context.Request.Headers.Range.ToString());
            await answer(context);
        });
        await server.StartAsync();
        source = Source("staging", "secret");
        listing = Listing(Release(2, Commit), Release(1, Commit), Release(3, new string('b', 40)));
        answer = context => SendAsync(context, archive, int.MaxValue);
    }

    public async Task DisposeAsync()
    {
        source.Dispose();
        await server.DisposeAsync();
        Directory.Delete(place, recursive: true);
    }

    [Fact]
    public async Task The_newest_release_of_a_commit_is_found_and_fetched_whole()
    {
        var offer = await source.FindAsync(Shop, new WantedRelease(Commit), CancellationToken.None);

        Assert.Equal($"v2 of {source.Name}", offer!.Title);
        Assert.True(await source.FetchAsync(offer, File("whole"), CancellationToken.None));
        Assert.Equal(archive, await System.IO.File.ReadAllBytesAsync(File("whole")));
        Assert.Equal([""], ranges);
    }

    [Fact]
    public async Task A_transfer_that_breaks_off_goes_on_where_it_stopped()
    {
        answer = context => SendAsync(context, archive, 900_000);
        var offer = await source.FindAsync(Shop, new WantedRelease(Commit), CancellationToken.None);

        Assert.True(await source.FetchAsync(offer!, File("resumed"), CancellationToken.None));

        Assert.Equal(archive, await System.IO.File.ReadAllBytesAsync(File("resumed")));
        Assert.True(ranges.Count >= 4);
        Assert.All(ranges.Skip(1), range => Assert.StartsWith("bytes=", range, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("other bytes", "is not v2 of")]
    [InlineData("too many", "sends more than")]
    [InlineData("nothing", "cannot be fetched")]
    [InlineData("changed", "has another archive now")]
    [InlineData("gone", "has another archive now")]
    [InlineData("damaged", "has found v2 of")]
    [InlineData("broken", "answers 500")]
    public async Task What_is_not_the_archive_that_was_asked_for_is_refused(string how, string words)
    {
        answer = how switch
        {
            "other bytes" => context => SendAsync(context, [.. archive.Reverse()], int.MaxValue),
            "too many" => context => SendAsync(context, [.. archive, .. archive], int.MaxValue),
            "nothing" => context => SendAsync(context, archive, 0),
            "changed" => context => context.Request.Headers.Range.Count == 0 ? SendAsync(context, archive, 900_000) : context.Response.Body.WriteAsync(archive).AsTask(),
            "gone" => context => Status(context, 404),
            "damaged" => context => Status(context, 409),
            _ => context => Status(context, 500),
        };
        var offer = await source.FindAsync(Shop, new WantedRelease(Commit), CancellationToken.None);

        var refusal = await Assert.ThrowsAsync<Refusal>(() => source.FetchAsync(offer!, File("bad"), CancellationToken.None));

        Assert.Contains(words, refusal.Message, StringComparison.Ordinal);

        static Task Status(HttpContext context, int status)
        {
            context.Response.StatusCode = status;
            return Task.CompletedTask;
        }
    }

    [Fact]
    public async Task What_never_was_live_or_is_gone_there_is_not_offered()
    {
        listing = Listing(Release(5, Commit) with { LiveAt = null }, Release(4, Commit) with { Pruned = true }, Release(3, Commit) with { ArchiveDigest = null });

        Assert.Null(await source.FindAsync(Shop, new WantedRelease(Commit), CancellationToken.None));
        Assert.Null(await source.FindAsync(Shop, new WantedRelease(), CancellationToken.None));
        Assert.Null(await source.FindAsync(ProjectName.Parse("other"), new WantedRelease(Commit), CancellationToken.None));
    }

    [Fact]
    public async Task A_damaged_archive_is_offered_as_such_and_only_where_there_is_no_other()
    {
        listing = Listing(Release(2, Commit) with { ArchiveTrouble = "its SHA-256 is\u001b[31m another" }, Release(1, Commit));
        var whole = await source.FindAsync(Shop, new WantedRelease(Commit), CancellationToken.None);
        Assert.Equal(($"v1 of {source.Name}", null), (whole!.Title, whole.Trouble));

        var damaged = await source.FindAsync(Shop, new WantedRelease(Number: 2), CancellationToken.None);

        Assert.StartsWith("its SHA-256 is", damaged!.Trouble, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', damaged.Trouble!);
    }

    [Fact]
    public async Task Without_a_commit_it_is_what_is_live_there_or_the_number()
    {
        Assert.StartsWith("v1 ", (await source.FindAsync(Shop, new WantedRelease(Number: 1), CancellationToken.None))!.Title, StringComparison.Ordinal);
        Assert.StartsWith("v3 ", (await source.FindAsync(Shop, new WantedRelease(), CancellationToken.None))!.Title, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("{\"items\":7}")]
    [InlineData("[]")]
    public async Task An_answer_that_is_none_is_refused(string text)
    {
        listing = text;

        await Assert.ThrowsAsync<Refusal>(() => source.FindAsync(Shop, new WantedRelease(Commit), CancellationToken.None));
    }

    [Fact]
    public async Task A_wrong_token_and_nobody_there_are_told_apart()
    {
        using var wrong = Source("staging", "guess");
        Assert.Contains("does not know the token", (await Assert.ThrowsAsync<Refusal>(() => wrong.FindAsync(Shop, new WantedRelease(Commit), CancellationToken.None))).Message, StringComparison.Ordinal);
        await server.StopAsync();
        Assert.Contains("cannot be asked", (await Assert.ThrowsAsync<Refusal>(() => source.FindAsync(Shop, new WantedRelease(Commit), CancellationToken.None))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("env:staging", true)]
    [InlineData("/srv/releases", true)]
    [InlineData("https://example.org/staging", true)]
    [InlineData("http://127.0.0.1:8080/prefix/staging", true)]
    [InlineData("env:No", false)]
    [InlineData("/srv/../etc", false)]
    [InlineData("relative", false)]
    [InlineData("ftp://example.org/staging", false)]
    [InlineData("https://user:secret@example.org/staging", false)]
    [InlineData("", false)]
    public void A_source_is_written_in_one_of_three_ways(string text, bool isOne) => Assert.Equal(isOne, ReleaseSources.WhyNot(text) is null);

    ReceiverSource Source(string environment, string token) => new(new Uri(server.Urls.Single() + "/"), environment, token, TimeSpan.FromMilliseconds(1));

    string File(string name) => Path.Combine(place, name);

    ReleaseSummary Release(int number, string commit) => new()
    {
        Number = number,
        Id = $"id-{number}",
        Commit = commit,
        Mode = "cooking",
        MadeAt = DateTimeOffset.UnixEpoch,
        LiveAt = DateTimeOffset.UnixEpoch,
        IsCurrent = number == 3,
        ArchiveDigest = Convert.ToHexStringLower(SHA256.HashData(archive)),
        ArchiveBytes = archive.Length,
        ContentDigest = new string('c', 64),
        Signature = "c2ln",
        SignedBy = "key",
    };

    static string Listing(params IReadOnlyList<ReleaseSummary> releases) => JsonSerializer.Serialize(new Page<ReleaseSummary>(releases), ContractJson.Default.PageReleaseSummary);

    /// <summary>From where the range begins, and no more than so many bytes before the connection ends.</summary>
    static async Task SendAsync(HttpContext context, byte[] bytes, int most)
    {
        var from = 0;
        if (context.Request.Headers.Range.ToString() is { Length: > 0 } range)
        {
            from = int.Parse(range["bytes=".Length..].TrimEnd('-'));
            context.Response.StatusCode = 206;
            context.Response.Headers.ContentRange = $"bytes {from}-{bytes.Length - 1}/{bytes.Length}";
        }

        context.Response.ContentLength = bytes.Length - from;
        await context.Response.Body.WriteAsync(bytes.AsMemory(from, Math.Min(most, bytes.Length - from)));
        await context.Response.Body.FlushAsync();
        if (most < bytes.Length - from)
        {
            context.Abort();
        }
    }
}

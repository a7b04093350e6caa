using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using Paas.Receiver.Deployments;
using Xunit;

namespace Paas.Receiver.Api;

/// <summary>The door that archives come in by; what is in them is Archives' matter.</summary>
public sealed class ImportTests : IAsyncLifetime
{
    static readonly byte[] File = RandomNumberGenerator.GetBytes(300_000);

    ApiStage stage = null!;

    public async Task InitializeAsync() => stage = await ApiStage.OpenAsync();

    public async Task DisposeAsync() => await stage.DisposeAsync();

    [Fact]
    public async Task What_arrived_damaged_or_is_too_large_is_refused_and_nothing_is_kept()
    {
        Assert.Equal(HttpStatusCode.BadRequest, await SendAsync(new ByteArrayContent(File), digest: SHA256.HashData("other"u8)));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, await SendAsync(new ByteArrayContent(new byte[1_000_001])));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, await SendAsync(new ByteArrayContent(new byte[1_200_000]), chunked: true));
        Assert.Equal(HttpStatusCode.BadRequest, await SendAsync(new ByteArrayContent(File), query: "?commit=main"));
        Assert.Equal(HttpStatusCode.BadRequest, await SendAsync(new ByteArrayContent(File), header: "sha-256=:short:"));
        Assert.Equal(HttpStatusCode.NotFound, await SendAsync(new ByteArrayContent(File), token: stage.OnlyOther));

        Assert.Empty(Sent());
        Assert.Empty(stage.The<Journal>().Of(stage.Hello));
    }

    [Fact]
    public async Task An_import_that_is_sent_again_with_its_key_is_carried_out_once()
    {
        var digest = SHA256.HashData(File);

        Assert.Equal(HttpStatusCode.BadRequest, await SendAsync(new ByteArrayContent(File), key: "k"));
        Assert.Equal(HttpStatusCode.Accepted, await SendAsync(new ByteArrayContent(File), digest, key: "k"));
        Assert.Equal(HttpStatusCode.Accepted, await SendAsync(new ByteArrayContent(File), digest, key: "k"));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, await SendAsync(new ByteArrayContent(File), SHA256.HashData("other"u8), key: "k"));

        var entry = Assert.Single(stage.The<Journal>().Of(stage.Hello));
        await Task.WhenAll(stage.The<DeploymentQueue>().InLine(stage.Hello).Select(deployment => deployment.Finished));
        Assert.Equal(nameof(Outcome.RolledBack), stage.The<Journal>().Find(entry.ReleaseId)!.Outcome);
        await GitHttp.Eventually.TrueAsync(() => Sent().Count == 0, "what was sent is gone");
    }

    [Fact]
    public async Task A_sender_who_goes_away_leaves_nothing()
    {
        using var client = stage.Client(stage.Admin);
        using var gone = new CancellationTokenSource();
        var content = new StreamContent(new EndlessStream(), 200_000);
        var sending = client.PostAsync(new Uri("api/v1/projects/-/hello/releases/import", UriKind.Relative), content, gone.Token);
        await GitHttp.Eventually.TrueAsync(() => Sent().Count == 1, "something has arrived");

        await gone.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending);
        await GitHttp.Eventually.TrueAsync(() => Sent().Count == 0, "what was sent is gone");
        Assert.Empty(stage.The<Journal>().Of(stage.Hello));
    }

    List<string> Sent() => Directory.Exists(stage.Hello.Build) ? [.. Directory.EnumerateFiles(stage.Hello.Build, "*.sent")] : [];

    async Task<HttpStatusCode> SendAsync(HttpContent content, byte[]? digest = null, string query = "", string? header = null, string? key = null, string? token = null, bool chunked = false)
    {
        using var client = stage.Client(token ?? stage.Admin);
        using var request = new HttpRequestMessage(HttpMethod.Post, "api/v1/projects/-/hello/releases/import" + query) { Content = content };
        content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        request.Headers.TransferEncodingChunked = chunked;
        request.Headers.ExpectContinue = true;
        if (digest is not null || header is not null)
        {
            content.Headers.TryAddWithoutValidation("Content-Digest", header ?? $"sha-256=:{Convert.ToBase64String(digest!)}:");
        }

        if (key is not null)
        {
            request.Headers.TryAddWithoutValidation("Idempotency-Key", key);
        }

        using var answer = await client.SendAsync(request);
        return answer.StatusCode;
    }

    /// <summary>A bufferful, and then silence.</summary>
    sealed class EndlessStream : Archives.ReadingStream
    {
        bool began;

        public override int Read(Span<byte> buffer) => throw new NotSupportedException();

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (began)
            {
                await Task.Delay(Timeout.Infinite, cancellationToken);
            }

            began = true;
            return buffer.Length;
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }
}

using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Issue 6, item 6: the registry's protocol request by request, as far as it needs no engine.</summary>
public sealed class ImagesByHand(SharedReceiver shared) : IClassFixture<SharedReceiver>
{
    const long Large = 192 << 20;

    readonly ReceiverProcess receiver = shared.Receiver;

    [KeepsImagesFact]
    public async Task A_large_layer_streams_through_both_ways_and_counts_as_its_projects_which_may_only_take_so_much()
    {
        Assert.Equal(HttpStatusCode.Created, (await receiver.AskApiAsync(HttpMethod.Post, "api/v1/environments", """{"type":"qa","name":"bounded","quotaGigabytes":5}""")).Status);
        Assert.Equal(HttpStatusCode.Created, (await receiver.AskApiAsync(HttpMethod.Put, "api/v1/projects/bounded/heavy")).Status);
        Assert.Equal(HttpStatusCode.OK, (await receiver.AskApiAsync(HttpMethod.Put, "api/v1/projects/bounded/heavy/space", """{"quotaGigabytes":5}""")).Status);
        await UploadAsync(64 << 10); // both are warm
        var before = PeakMemory();

        var digest = await UploadAsync(Large);
        await AskAsync(HttpMethod.Get, $"v2/bounded-heavy/blobs/{digest}", null, async answer =>
        {
            Assert.Equal(Large, answer.Content.Headers.ContentLength);
            await using var body = await answer.Content.ReadAsStreamAsync();
            Assert.Equal(digest["sha256:".Length..], Convert.ToHexStringLower(await SHA256.HashDataAsync(body)));
        });

        Assert.InRange(PeakMemory() - before, 0, Large / 3);
        var (_, space) = await receiver.AskApiAsync(HttpMethod.Get, "api/v1/projects/bounded/heavy/space");
        using var report = JsonDocument.Parse(space);
        var images = report.RootElement.GetProperty("parts").EnumerateArray().Single(part => part.GetProperty("name").GetString() == "images");
        Assert.InRange(images.GetProperty("bytes").GetInt64(), Large, Large + (1 << 20));

        // What says that it will not fit is not even begun to be taken.
        var place = await BeginAsync();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var far = new StreamContent(new Generated(1, hash)) { Headers = { ContentLength = 6_000_000_000, ContentType = new MediaTypeHeaderValue("application/octet-stream") } };
        await AskAsync(HttpMethod.Patch, place, far, async answer =>
        {
            Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
            var said = await answer.Content.ReadAsStringAsync();
            Assert.Contains("DENIED", said, StringComparison.Ordinal);
            Assert.Contains("bounded/heavy takes 201 MB of 5 GB", said, StringComparison.Ordinal);
        });
    }

    async Task<string> UploadAsync(long length)
    {
        var place = await BeginAsync();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var content = new StreamContent(new Generated(length, hash)) { Headers = { ContentType = new MediaTypeHeaderValue("application/octet-stream") } };
        await AskAsync(HttpMethod.Patch, place, content, answer =>
        {
            Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
            place = answer.Headers.Location!.ToString();
            return Task.CompletedTask;
        });
        var digest = "sha256:" + Convert.ToHexStringLower(hash.GetHashAndReset());
        using var nothing = new ByteArrayContent([]);
        await AskAsync(HttpMethod.Put, $"{place}{(place.Contains('?', StringComparison.Ordinal) ? '&' : '?')}digest={digest}", nothing, answer =>
        {
            Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
            return Task.CompletedTask;
        });
        return digest;
    }

    async Task<string> BeginAsync()
    {
        var place = "";
        await AskAsync(HttpMethod.Post, "v2/bounded-heavy/blobs/uploads/", null, answer =>
        {
            Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
            place = answer.Headers.Location!.ToString();
            return Task.CompletedTask;
        });
        return place;
    }

    async Task AskAsync(HttpMethod method, string path, HttpContent? content, Func<HttpResponseMessage, Task> look)
    {
        using var request = new HttpRequestMessage(method, new Uri(receiver.Address, path)) { Content = content };
        request.Headers.TransferEncodingChunked = content is StreamContent && content.Headers.ContentLength is null ? true : null;
        request.Headers.ExpectContinue = content?.Headers.ContentLength > Large;
        request.Headers.Authorization = new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes("anybody:" + receiver.Token)));
        using var answer = await receiver.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        await look(answer);
    }

    long PeakMemory() => long.Parse(File.ReadLines($"/proc/{receiver.Id}/status").Single(line => line.StartsWith("VmHWM:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) << 10;

    /// <summary>So many bytes, none of them kept.</summary>
    sealed class Generated(long length, IncrementalHash hash) : Stream
    {
        long at;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => at; set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            var read = (int)Math.Min(buffer.Length, length - at);
            buffer[..read].Fill((byte)(at >> 20));
            hash.AppendData(buffer[..read]);
            at += read;
            return read;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}

/// <summary>Runs where docker-registry is installed, else is skipped with the reason.</summary>
public sealed class KeepsImagesFactAttribute : FactAttribute
{
    public KeepsImagesFactAttribute() => Skip = File.Exists("/usr/bin/docker-registry") ? null : "docker-registry is not installed";
}

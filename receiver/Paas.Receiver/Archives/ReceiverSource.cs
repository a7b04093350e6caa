using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json;
using Paas.Receiver.Contract;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Archives;

/// <summary>An environment of another receiver, over its API. A transfer that breaks off goes on where it stopped, by a range request.</summary>
sealed class ReceiverSource : IReleaseSource, IDisposable
{
    const int LargestAnswer = 16 << 20;

    /// <summary>How often in a row a transfer may break off without having brought a byte.</summary>
    const int Tries = 5;

    static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    readonly HttpClient http;
    readonly string environment;
    readonly TimeSpan pause;

    /// <param name="token">Null asks as nobody.</param>
    /// <param name="pause">Before the second try; longer before each further one.</param>
    public ReceiverSource(Uri receiver, string environment, string? token, TimeSpan pause)
    {
        this.environment = environment;
        this.pause = pause;
        // No redirects: the token must not follow one.
        http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, ConnectTimeout = TimeSpan.FromSeconds(10) })
        {
            BaseAddress = receiver,
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = LargestAnswer,
        };
        http.DefaultRequestHeaders.UserAgent.ParseAdd("paas-receiver");
        http.DefaultRequestHeaders.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
    }

    public string Name => $"{http.BaseAddress!.GetLeftPart(UriPartial.Authority)} ({environment})";

    public async Task<Offer?> FindAsync(ProjectName project, WantedRelease wanted, CancellationToken ct)
    {
        var place = $"api/v1/projects/{Uri.EscapeDataString(environment)}/{project.Value}/releases";
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(Patience);
        try
        {
            using var answer = await http.GetAsync(wanted.Commit is null ? place : $"{place}?commit={Uri.EscapeDataString(wanted.Commit)}", limit.Token);
            if (answer.StatusCode == HttpStatusCode.NotFound)
            {
                return null;
            }

            if (!answer.IsSuccessStatusCode)
            {
                throw new Refusal(Said(answer.StatusCode));
            }

            var page = JsonSerializer.Deserialize(await answer.Content.ReadAsByteArrayAsync(limit.Token), ContractJson.Default.PageReleaseSummary);
            return page?.Items.Where(release => Fits(release, wanted)).OrderBy(release => release.ArchiveTrouble is not null).ThenByDescending(release => release.Number)
                .Select(release => OfferOf(project, release, place)).FirstOrDefault();
        }
        catch (Exception e) when (e is HttpRequestException or JsonException || (e is OperationCanceledException && !ct.IsCancellationRequested))
        {
            throw new Refusal($"{Name} cannot be asked for releases: {(e is OperationCanceledException ? "it does not answer" : e.Message)}");
        }
    }

    public async Task<bool> FetchAsync(Offer offer, string file, CancellationToken ct)
    {
        await using var to = new FileStream(file, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0 });
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var (buffer, failures) = (new byte[1 << 18], 0);
        while (to.Position < offer.Bytes)
        {
            var before = to.Position;
            try
            {
                await ReceiveAsync(offer, to, hash, buffer, ct);
            }
            catch (Exception e) when (e is HttpRequestException || (e is OperationCanceledException && !ct.IsCancellationRequested))
            {
                failures = to.Position > before ? 0 : failures + 1;
                if (failures >= Tries)
                {
                    throw new Refusal($"{offer.Title} cannot be fetched from {Name}: {e.Message}");
                }

                await Task.Delay(pause * (failures + 1), ct);
            }
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset()) == offer.Provenance.ArchiveDigest
            ? true : throw new Refusal($"what {Name} sent is not {offer.Title}: its SHA-256 is not {offer.Provenance.ArchiveDigest}");
    }

    public void Dispose() => http.Dispose();

    async Task ReceiveAsync(Offer offer, FileStream to, IncrementalHash hash, byte[] buffer, CancellationToken ct)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, offer.Location);
        if (to.Position > 0)
        {
            request.Headers.Range = new RangeHeaderValue(to.Position, null);
            request.Headers.IfRange = new RangeConditionHeaderValue(new EntityTagHeaderValue($"\"{offer.Provenance.ArchiveDigest}\""));
        }

        using var silence = CancellationTokenSource.CreateLinkedTokenSource(ct);
        silence.CancelAfter(Patience);
        using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, silence.Token);
        if (answer.StatusCode != (to.Position > 0 ? HttpStatusCode.PartialContent : HttpStatusCode.OK) || (answer.Content.Headers.ContentRange?.From ?? 0) != to.Position)
        {
            throw new Refusal(answer.StatusCode == HttpStatusCode.Conflict ? $"{Name} has found {offer.Title} damaged and hands it over to nobody" : (int)answer.StatusCode >= 500 ? Said(answer.StatusCode) : $"{Name} has another archive now than the one that was asked for ({(int)answer.StatusCode})");
        }

        await using var body = await answer.Content.ReadAsStreamAsync(silence.Token);
        while (true)
        {
            silence.CancelAfter(Patience);
            var count = await ReadAsync(body, buffer, silence.Token);
            if (count == 0)
            {
                return; // whole, or the caller sees that it is not and asks for the rest
            }

            if (to.Position + count > offer.Bytes)
            {
                throw new Refusal($"{Name} sends more than the {offer.Bytes} bytes of {offer.Title}");
            }

            hash.AppendData(buffer, 0, count);
            to.Write(buffer, 0, count);
        }
    }

    // Trouble on the way in is tried again; the same kind of exception on the way to our own disk is not.
    static async ValueTask<int> ReadAsync(Stream body, byte[] buffer, CancellationToken ct)
    {
        try
        {
            return await body.ReadAsync(buffer, ct);
        }
        catch (IOException e)
        {
            throw new HttpRequestException(e.Message, e);
        }
    }

    static bool Fits(ReleaseSummary release, WantedRelease wanted) =>
        (release.LiveAt is not null || release.Imported) && release is { Pruned: false, ArchiveDigest: not null, ContentDigest: not null, ArchiveBytes: > 0 }
        && (wanted.Commit is null ? wanted.Number is null ? release.IsCurrent : release.Number == wanted.Number : release.Commit == wanted.Commit);

    Offer OfferOf(ProjectName project, ReleaseSummary release, string place) => new(
        new Provenance(project.Value, release.Commit, release.ArchiveDigest!, release.ContentDigest!),
        release is { Signature: { } value, SignedBy: { } key } ? new Signature(key, value) : null, release.ArchiveBytes!.Value,
        $"v{release.Number} of {Name}", $"{place}/{release.Number}/archive")
    {
        Image = release is { ImageDigest: { } digest, ImageBytes: > 0 and var bytes } ? new OfferedImage($"{place}/{release.Number}/image", digest, bytes) : null,
        Trouble = release.ArchiveTrouble is { } trouble ? Logs.LogStream.Harmless(trouble) : null,
    };

    string Said(HttpStatusCode status) => status switch
    {
        HttpStatusCode.Unauthorized => $"{Name} does not know the token that this environment has for it",
        HttpStatusCode.Forbidden => $"{Name} does not allow this environment's token to see its releases",
        _ => $"{Name} answers {(int)status}",
    };
}

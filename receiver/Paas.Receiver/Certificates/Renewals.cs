using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Certificates;

/// <summary>Where and as whom certificates are ordered.</summary>
/// <param name="Directory">The authority's ACME directory.</param>
/// <param name="Email">Where the authority writes to; null is nowhere.</param>
/// <param name="Root">A file with the root the authority's own server is signed by; null is any the machine trusts.</param>
sealed record AcmeSettings(Uri Directory, string? Email = null, string? Root = null);

/// <summary>
/// Orders a certificate for every name that has none, and a new one when a third of its life is left. Certificates and the account's key lie in
/// <c>state/certificates</c>, durable before they are used. A name that cannot be had is asked for again after a while that doubles: authorities count.
/// </summary>
sealed partial class Renewals(AcmeSettings settings, string directory, CertificateStore store, Challenges challenges, Func<IEnumerable<string>> names, TimeProvider time, ILogger<Renewals> log) : BackgroundService
{
    static readonly TimeSpan Often = TimeSpan.FromSeconds(20);
    static readonly TimeSpan FirstPause = TimeSpan.FromMinutes(15);
    static readonly TimeSpan LongestPause = TimeSpan.FromDays(1);

    readonly ConcurrentDictionary<string, (DateTimeOffset Next, TimeSpan Pause)> later = new();

    /// <summary>Looks once after every name.</summary>
    public async Task LookAsync(CancellationToken ct)
    {
        foreach (var name in names().Where(CanBeHad).Distinct().ToList())
        {
            if (NeedsOne(name) && !(later.TryGetValue(name, out var wait) && wait.Next > time.GetUtcNow()))
            {
                await TryOrderAsync(name, ct);
            }
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Often, time);
        try
        {
            do
            {
                try
                {
                    await LookAsync(stoppingToken);
                }
                catch (Exception trouble) when (trouble is not OperationCanceledException)
                {
                    // An exception that leaves here would stop the receiver.
                    Log.NotHad(log, "any name", trouble.Message, Often);
                }
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException)
        {
            // stopping
        }
    }

    // Wildcards take a challenge in the DNS; names without a dot or under localhost are nobody's to confirm.
    static bool CanBeHad(string name) =>
        name.Contains('.', StringComparison.Ordinal) && name[0] != '*' && !name.Contains('_', StringComparison.Ordinal)
        && !name.EndsWith(".localhost", StringComparison.Ordinal) && name.Length <= 64;

    bool NeedsOne(string name) => store.ValidityOf(name) is not { } validity || time.GetUtcNow() > validity.To - ((validity.To - validity.From) / 3);

    async Task TryOrderAsync(string name, CancellationToken ct)
    {
        try
        {
            using var http = Client();
            using var key = AccountKey();
            var (chain, secret) = await new AcmeClient(http, settings.Directory, key, settings.Email, challenges, time).OrderAsync([name], ct);
            var place = System.IO.Directory.CreateDirectory(Path.Combine(directory, name), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;

            // In one file: a certificate is never seen with another one's key.
            AtomicFile.Write(Path.Combine(place, "certificate.pem"), secret + chain);
            store.Refresh();
            later.TryRemove(name, out _);
            Log.Ordered(log, name, store.ValidityOf(name)?.To ?? default);
        }
        catch (Exception trouble) when (trouble is not OperationCanceledException || !ct.IsCancellationRequested)
        {
            // One name that cannot be had must not keep the others from theirs.
            var pause = later.TryGetValue(name, out var former) ? TimeSpan.FromTicks(Math.Min(former.Pause.Ticks * 2, LongestPause.Ticks)) : FirstPause;
            later[name] = (time.GetUtcNow() + pause, pause);
            Log.NotHad(log, name, trouble.Message, pause);
        }
    }

    ECDsa AccountKey() => KeyFile.OpenOrMake(Path.Combine(directory, "account"));

    HttpClient Client()
    {
        var handler = new SocketsHttpHandler { ConnectTimeout = TimeSpan.FromSeconds(10), AllowAutoRedirect = false };
        if (settings.Root is { } root)
        {
            var trusted = new X509Certificate2Collection();
            trusted.ImportFromPemFile(root);
            handler.SslOptions.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            handler.SslOptions.CertificateChainPolicy.CustomTrustStore.AddRange(trusted);
        }

        var client = new HttpClient(handler) { Timeout = TimeSpan.FromSeconds(30) };
        client.DefaultRequestHeaders.UserAgent.ParseAdd("paas-receiver");
        return client;
    }

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "{Name} has a certificate until {Until:u}")]
        public static partial void Ordered(ILogger logger, string name, DateTimeOffset until);

        [LoggerMessage(Level = LogLevel.Warning, Message = "No certificate for {Name}: {Reason}. Next try in {Pause}")]
        public static partial void NotHad(ILogger logger, string name, string reason, TimeSpan pause);
    }
}

using System.Collections.Frozen;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Certificates;

/// <summary>
/// The certificates in some directories, by the names they are good for: <c>NAME.crt</c> or <c>NAME.pem</c> with <c>NAME.key</c> beside it (or the key in the same file), and
/// certbot's <c>fullchain.pem</c> with <c>privkey.pem</c>; one level of directories below too. Read anew when a file changes; a file that cannot be used leaves what was there.
/// A visitor of a name that none is good for meets a certificate the receiver has signed itself.
/// </summary>
sealed partial class CertificateStore : IDisposable
{
    static readonly TimeSpan Quiet = TimeSpan.FromMilliseconds(300); // a certificate and its key are two files
    static readonly TimeSpan Often = TimeSpan.FromMinutes(1); // a link far away may have been swung

    readonly IReadOnlyList<string> directories;
    readonly ILogger log;
    readonly TimeProvider time;
    readonly Lock reading = new();
    readonly List<FileSystemWatcher> watchers = [];
    readonly ITimer timer;
    readonly SslServerAuthenticationOptions own;
    FrozenDictionary<string, Held> held = FrozenDictionary<string, Held>.Empty;
    string seen = "";

    CertificateStore(IReadOnlyList<string> directories, X509Certificate2 self, TimeProvider time, ILogger log)
    {
        this.directories = directories;
        this.log = log;
        this.time = time;
        own = OptionsOf(self, []);
        timer = time.CreateTimer(_ => Refresh(), null, Often, Often);
    }

    /// <summary>Opens the directories; the first is the receiver's own and is made, with a self-signed certificate for the domain.</summary>
    public static CertificateStore Open(string own, string? operators, string domain, TimeProvider time, ILogger log)
    {
        Directory.CreateDirectory(own, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var store = new CertificateStore(operators is null ? [own] : [own, operators], SelfSigned(own, domain, time), time, log);
        store.Refresh();
        foreach (var directory in store.directories.Where(Directory.Exists))
        {
            var watcher = new FileSystemWatcher(directory) { IncludeSubdirectories = true };
            watcher.Changed += store.Noticed;
            watcher.Created += store.Noticed;
            watcher.Deleted += store.Noticed;
            watcher.Renamed += store.Noticed;
            watcher.EnableRaisingEvents = true;
            store.watchers.Add(watcher);
        }

        return store;
    }

    /// <summary>What a TLS connection for this name (SNI; null when it said none) is answered with.</summary>
    public SslServerAuthenticationOptions For(string? name) => Find(name)?.Options ?? own;

    /// <summary>True when there is a certificate for this name that is not the receiver's own and is valid now.</summary>
    public bool Covers(string name) => Find(name) is { } found && found.NotAfter > time.GetUtcNow();

    /// <summary>From when to when the certificate for this name is valid; null when there is none.</summary>
    public (DateTimeOffset From, DateTimeOffset To)? ValidityOf(string name) => Find(name) is { } found ? (found.NotBefore, found.NotAfter) : null;

    /// <summary>Every name that there is a certificate for, and until when it is good.</summary>
    public IReadOnlyList<(string Name, DateTimeOffset NotAfter)> Ends =>
        [.. Volatile.Read(ref held).Select(pair => (pair.Key, pair.Value.NotAfter)).OrderBy(pair => pair.Key, StringComparer.Ordinal)];

    /// <summary>Reads what has changed.</summary>
    public void Refresh()
    {
        lock (reading)
        {
            var files = CertificateFiles();
            var stamp = string.Join('\n', files.SelectMany(pair => new[] { pair.Certificate, pair.Key }).Distinct().Select(StampOf));
            if (stamp == seen)
            {
                return;
            }

            seen = stamp;
            var found = new Dictionary<string, Held>(StringComparer.OrdinalIgnoreCase);
            foreach (var one in files.Select(TryRead).OfType<Held>())
            {
                foreach (var name in one.Names.Where(name => !found.TryGetValue(name, out var other) || other.NotAfter < one.NotAfter))
                {
                    found[name] = one;
                }
            }

            Volatile.Write(ref held, found.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase));
        }
    }

    public void Dispose()
    {
        watchers.ForEach(watcher => watcher.Dispose());
        timer.Dispose();
    }

    Held? Find(string? name)
    {
        var known = Volatile.Read(ref held);
        if (string.IsNullOrEmpty(name) || known.Count == 0)
        {
            return null;
        }

        // A wildcard is good for one label only (RFC 6125).
        var dot = name.IndexOf('.', StringComparison.Ordinal);
        return known.TryGetValue(name, out var exact) ? exact
            : dot > 0 && known.TryGetValue("*" + name[dot..], out var wild) ? wild : null;
    }

    void Noticed(object sender, FileSystemEventArgs e) => timer.Change(Quiet, Often);

    List<(string Certificate, string Key)> CertificateFiles() =>
        [.. from directory in directories
            where Directory.Exists(directory)
            from place in Directory.GetDirectories(directory).Prepend(directory)
            from file in Directory.GetFiles(place).Order(StringComparer.Ordinal)
            let key = KeyOf(file)
            where key is not null
            select (file, key)];

    static string? KeyOf(string file)
    {
        var (place, name) = (Path.GetDirectoryName(file)!, Path.GetFileName(file));
        if (name == "fullchain.pem")
        {
            return Path.Combine(place, "privkey.pem");
        }

        if (Path.GetExtension(name) is not (".pem" or ".crt" or ".cer") || name is "privkey.pem" or "cert.pem" or "chain.pem")
        {
            return null;
        }

        var beside = Path.Combine(place, Path.GetFileNameWithoutExtension(name) + ".key");
        return File.Exists(beside) ? beside : file;
    }

    static string StampOf(string file)
    {
        try
        {
            var real = File.ResolveLinkTarget(file, returnFinalTarget: true)?.FullName ?? file;
            var info = new FileInfo(real);
            return info.Exists ? $"{file} {real} {info.Length} {info.LastWriteTimeUtc.Ticks}" : file;
        }
        catch (IOException)
        {
            return file;
        }
    }

    Held? TryRead((string Certificate, string Key) files)
    {
        try
        {
            var text = File.ReadAllText(files.Certificate);
            var key = files.Key == files.Certificate ? text : File.ReadAllText(files.Key);
            if (!key.Contains("PRIVATE KEY", StringComparison.Ordinal))
            {
                return null; // a chain or somebody's root that lies about
            }

            var leaf = X509Certificate2.CreateFromPem(text, key);
            var chain = new X509Certificate2Collection();
            chain.ImportFromPem(text);
            if (new DateTimeOffset(leaf.NotAfter) < time.GetUtcNow())
            {
                Log.Expired(log, files.Certificate, leaf.NotAfter.ToUniversalTime());
            }

            return new Held(NamesOf(leaf), new DateTimeOffset(leaf.NotBefore), new DateTimeOffset(leaf.NotAfter), OptionsOf(leaf, [.. chain.Skip(1)]), files.Certificate);
        }
        catch (Exception unusable) when (unusable is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            Log.Unusable(log, files.Certificate, unusable.Message);
            return Volatile.Read(ref held).Values.FirstOrDefault(one => one.File == files.Certificate);
        }
    }

    static List<string> NamesOf(X509Certificate2 certificate) =>
        certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault() is { } names
            ? [.. names.EnumerateDnsNames()]
            : [certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false)];

    static SslServerAuthenticationOptions OptionsOf(X509Certificate2 leaf, X509Certificate2Collection chain) => new()
    {
        ServerCertificateContext = SslStreamCertificateContext.Create(leaf, chain, offline: true),
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
    };

    static X509Certificate2 SelfSigned(string directory, string domain, TimeProvider time)
    {
        // Not .pem: visitors get it only when there is nothing better.
        var file = Path.Combine(directory, "self-signed");
        if (File.Exists(file) && X509Certificate2.CreateFromPem(File.ReadAllText(file), File.ReadAllText(file)) is var former
            && new DateTimeOffset(former.NotAfter) > time.GetUtcNow().AddDays(30) && NamesOf(former).Contains(domain))
        {
            return former;
        }

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={domain}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        foreach (var name in new[] { domain, $"*.{domain}", "localhost" }.Distinct())
        {
            names.AddDnsName(name);
        }

        request.CertificateExtensions.Add(names.Build());
        using var made = request.CreateSelfSigned(time.GetUtcNow().AddDays(-1), time.GetUtcNow().AddYears(2));
        AtomicFile.Write(file, $"{made.ExportCertificatePem()}\n{key.ExportPkcs8PrivateKeyPem()}\n");
        return X509Certificate2.CreateFromPem(File.ReadAllText(file), File.ReadAllText(file));
    }

    sealed record Held(IReadOnlyList<string> Names, DateTimeOffset NotBefore, DateTimeOffset NotAfter, SslServerAuthenticationOptions Options, string File);

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "{File} cannot be used as a certificate: {Reason}")]
        public static partial void Unusable(ILogger logger, string file, string reason);

        [LoggerMessage(Level = LogLevel.Warning, Message = "{File} has expired at {NotAfter:u}")]
        public static partial void Expired(ILogger logger, string file, DateTime notAfter);
    }
}

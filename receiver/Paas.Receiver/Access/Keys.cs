using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Dapper;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Access;

/// <summary>An OpenSSH public key as one line has it, without options. Formed from text by <see cref="Parse"/> only.</summary>
sealed record PublicKey
{
    static readonly Dictionary<string, int> Parts = new(StringComparer.Ordinal)
    {
        // How many strings or numbers follow the type inside of the blob.
        ["ssh-ed25519"] = 1,
        ["ssh-rsa"] = 2,
        ["ecdsa-sha2-nistp256"] = 2,
        ["ecdsa-sha2-nistp384"] = 2,
        ["ecdsa-sha2-nistp521"] = 2,
        ["sk-ssh-ed25519@openssh.com"] = 2,
        ["sk-ecdsa-sha2-nistp256@openssh.com"] = 3,
    };

    PublicKey(string type, string body, string comment, string fingerprint) => (Type, Body, Comment, Fingerprint) = (type, body, comment, fingerprint);

    public string Type { get; }

    /// <summary>Base64.</summary>
    public string Body { get; }

    /// <summary>What followed the key; empty when nothing did.</summary>
    public string Comment { get; }

    /// <summary>As <c>ssh-keygen -l</c> shows it: <c>SHA256:…</c>.</summary>
    public string Fingerprint { get; }

    /// <exception cref="Refusal">It is no key, one of a kind that is no longer safe, or a private one.</exception>
    public static PublicKey Parse(string text)
    {
        if (text.Contains("PRIVATE KEY", StringComparison.Ordinal))
        {
            throw new Refusal("This is a private key: keep it, and give the line of the file that ends in .pub.");
        }

        var words = text.Trim().Split(' ', 3, StringSplitOptions.RemoveEmptyEntries);
        if (text.Length > 16_384 || text.Trim().Any(char.IsControl) || words.Length < 2)
        {
            throw new Refusal("A public key is one line, as in ~/.ssh/id_ed25519.pub.");
        }

        if (!Parts.TryGetValue(words[0], out var parts))
        {
            throw new Refusal($"'{words[0]}' is not a kind of key that is taken here. There are {string.Join(", ", Parts.Keys)}.");
        }

        return TryDecode(words[1], out var blob) && IsWhole(blob, words[0], parts)
            ? new PublicKey(words[0], Convert.ToBase64String(blob), words.Length == 3 ? words[2] : "", "SHA256:" + Convert.ToBase64String(SHA256.HashData(blob)).TrimEnd('='))
            : throw new Refusal("The key is cut off, damaged or too short (RSA: at least 2048 bits).");
    }

    static bool TryDecode(string text, [NotNullWhen(true)] out byte[]? blob)
    {
        var buffer = new byte[text.Length];
        var right = Convert.TryFromBase64String(text, buffer, out var length);
        blob = right ? buffer[..length] : null;
        return right;
    }

    static bool IsWhole(ReadOnlySpan<byte> blob, string type, int parts)
    {
        const int SmallestModulus = 2048 / 8;
        if (!Next(ref blob, out var name) || !name.SequenceEqual(Encoding.ASCII.GetBytes(type)))
        {
            return false;
        }

        var last = 0;
        for (var i = 0; i < parts; i++)
        {
            if (!Next(ref blob, out var part) || part.Length == 0)
            {
                return false;
            }

            last = part.Length;
        }

        return blob.IsEmpty && (type != "ssh-rsa" || last >= SmallestModulus) && (type != "ssh-ed25519" || last == 32);
    }

    static bool Next(ref ReadOnlySpan<byte> rest, out ReadOnlySpan<byte> part)
    {
        part = default;
        if (rest.Length < 4 || BinaryPrimitives.ReadUInt32BigEndian(rest) is var length && length > rest.Length - 4)
        {
            return false;
        }

        part = rest.Slice(4, (int)length);
        rest = rest[(4 + (int)length)..];
        return true;
    }
}

/// <summary>A key that opens something: a user's, or a project's deploy key.</summary>
/// <param name="User">Whose it is; null for a deploy key.</param>
/// <param name="OnlyProject">The <c>env/name</c> of the one project a deploy key is good for; null for a user's.</param>
/// <param name="MayPush">A deploy key that may not push may only fetch.</param>
sealed record AccessKey(long Id, string Name, string Type, string Body, string Fingerprint, string? User, string? OnlyProject, bool MayPush, DateTimeOffset MadeAt, DateTimeOffset? UsedAt);

/// <summary>The SSH keys of users and projects. One key is one person's or one project's: it says who comes.</summary>
sealed class Keys(Database database, TimeProvider time)
{
    const int LongestName = 100;

    readonly ConcurrentDictionary<long, DateTimeOffset> noted = new();

    /// <summary>Some key was added or removed.</summary>
    public event Action? Changed;

    /// <summary>By when they were added.</summary>
    public IReadOnlyList<AccessKey> List() => [.. database.Read<Row>(Select + " ORDER BY id").Select(row => row.ToKey())];

    public AccessKey? Find(long id) => database.ReadOne<Row>(Select + " WHERE id = @id", new { id })?.ToKey();

    /// <exception cref="Refusal">The key is somebody's already; says nothing of whose.</exception>
    public AccessKey Add(PublicKey key, string? name, string? user, string? onlyProject, bool mayPush)
    {
        name = string.IsNullOrWhiteSpace(name) ? key.Comment.Length > 0 ? key.Comment : key.Fingerprint[..16] : name;
        if (name.Length > LongestName || name.Any(char.IsControl))
        {
            throw new Refusal($"A key's name is 1 to {LongestName} printable characters.");
        }

        var id = database.Write(connection => connection.ExecuteScalar<long?>(
            """
            INSERT INTO keys (name, type, body, fingerprint, user, project, push, made_at) VALUES (@name, @Type, @Body, @Fingerprint, @user, @onlyProject, @mayPush, @At)
            ON CONFLICT (fingerprint) DO NOTHING RETURNING id
            """,
            new { name, key.Type, key.Body, key.Fingerprint, user, onlyProject, mayPush, At = time.GetUtcNow().ToString("O") }));
        if (id is null)
        {
            throw new Refusal("This key is in use already. A key says who comes, so it belongs to one user or one project.");
        }

        Changed?.Invoke();
        return Find(id.Value)!;
    }

    /// <summary>The key opens nothing from here on. False when there was none.</summary>
    public bool Remove(long id)
    {
        var gone = database.Write("DELETE FROM keys WHERE id = @id", new { id }) > 0;
        if (gone)
        {
            Changed?.Invoke();
        }

        return gone;
    }

    /// <summary>Keys that were good for this one project: a later project of its name is another one.</summary>
    /// <param name="onlyProject">Its <c>env/name</c>.</param>
    public void RemoveOf(string onlyProject)
    {
        if (database.Write("DELETE FROM keys WHERE project = @onlyProject", new { onlyProject }) > 0)
        {
            Changed?.Invoke();
        }
    }

    /// <summary>Keys went with their user.</summary>
    public void Announce() => Changed?.Invoke();

    /// <summary>Written down at most once a minute for each key.</summary>
    public void NoteUse(long id)
    {
        var at = time.GetUtcNow();
        if (noted.TryGetValue(id, out var last) && at - last < TimeSpan.FromMinutes(1))
        {
            return;
        }

        noted[id] = at;
        try
        {
            database.Write("UPDATE keys SET used_at = @At WHERE id = @id", new { id, At = at.ToString("O") });
        }
        catch (Microsoft.Data.Sqlite.SqliteException)
        {
            // On a full disk the time of last use is what can best be done without.
        }
    }

    const string Select =
        "SELECT id AS Id, name AS Name, type AS Type, body AS Body, fingerprint AS Fingerprint, user AS User, project AS OnlyProject, push AS MayPush, made_at AS MadeAt, used_at AS UsedAt FROM keys";

    sealed class Row
    {
        public long Id { get; set; }

        public string Name { get; set; } = "";

        public string Type { get; set; } = "";

        public string Body { get; set; } = "";

        public string Fingerprint { get; set; } = "";

        public string? User { get; set; }

        public string? OnlyProject { get; set; }

        public bool MayPush { get; set; }

        public string MadeAt { get; set; } = "";

        public string? UsedAt { get; set; }

        public AccessKey ToKey() =>
            new(Id, Name, Type, Body, Fingerprint, User, OnlyProject, MayPush, DateTimeOffset.Parse(MadeAt), UsedAt is null ? null : DateTimeOffset.Parse(UsedAt));
    }
}

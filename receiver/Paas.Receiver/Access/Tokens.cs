using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Dapper;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Access;

/// <summary>A token as it is kept: everything but the secret.</summary>
/// <param name="OnlyProject">The <c>env/name</c> it is good for; null is every project.</param>
/// <param name="UsedAt">Last use, up to <see cref="Tokens.UseDelay"/> late.</param>
sealed record Token(long Id, string Name, bool IsAdmin, string? OnlyProject, DateTimeOffset MadeAt, DateTimeOffset? ExpiresAt, DateTimeOffset? UsedAt)
{
    /// <summary>The user it stands for; null for one that belongs to nobody.</summary>
    public string? User { get; init; }

    /// <summary>What it is limited to, whatever its user may do.</summary>
    public PermissionSet Scope { get; init; } = PermissionSet.All;
}

/// <summary>The tokens: 192 random bits each, shown once when made, kept as SHA-256, compared in constant time.</summary>
sealed class Tokens : IDisposable
{
    /// <summary>Uses are written down together, this long after the first: a request never waits for the disk.</summary>
    public static readonly TimeSpan UseDelay = TimeSpan.FromSeconds(10);

    const string Prefix = "paas_";
    const int LongestName = 100;
    const int LongestSecret = 512;

    readonly Database database;
    readonly TimeProvider time;
    readonly ConcurrentDictionary<long, DateTimeOffset> used = new();
    readonly ITimer writeUses;
    int waiting;

    public Tokens(Database database, TimeProvider time)
    {
        this.database = database;
        this.time = time;
        writeUses = time.CreateTimer(_ => WriteUses(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>
    /// Sees to it that there is an administrator. A fixed token is installed, taking the place of an earlier fixed one; without one, the first
    /// start makes one. Returns a token that was made now, to be printed once, else null.
    /// </summary>
    public string? EnsureAdmin(string? fixedToken)
    {
        if (fixedToken is not null)
        {
            Install(fixedToken);
            return null;
        }

        var now = time.GetUtcNow();
        return List().Any(token => token.IsAdmin && !(token.ExpiresAt <= now)) ? null : Create("admin", isAdmin: true).Secret;
    }

    /// <summary>Makes a token. Its secret is in the answer and nowhere else.</summary>
    /// <param name="user">Whose it is; null is nobody's: it may then do what <see cref="Caller.Rights"/> says of such a one.</param>
    /// <param name="scope">What it is limited to; null is all that its user may do.</param>
    /// <exception cref="Refusal">The name is empty, too long or not printable, or the token would have expired already.</exception>
    public (Token Token, string Secret) Create(
        string name, bool isAdmin, string? onlyProject = null, DateTimeOffset? expiresAt = null, string? user = null, PermissionSet? scope = null)
    {
        if (string.IsNullOrWhiteSpace(name) || name.Length > LongestName || name.Any(char.IsControl))
        {
            throw new Refusal($"A token's name is 1 to {LongestName} printable characters.");
        }

        if (isAdmin && (onlyProject is not null || user is not null || scope is not null))
        {
            throw new Refusal("An administrator's token is nobody's and good for everything: leave out the project, the user and the permissions, or 'admin'.");
        }

        var now = time.GetUtcNow();
        if (expiresAt <= now)
        {
            throw new Refusal("The token would have expired before it is first used.");
        }

        var secret = Prefix + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24));
        var id = Insert(name, secret, isAdmin, onlyProject, expiresAt, user, scope);
        return (new Token(id, name, isAdmin, onlyProject, now, expiresAt, null) { User = user, Scope = scope ?? PermissionSet.All }, secret);
    }

    /// <summary>The token with this secret; null when there is none or it has expired.</summary>
    public Token? Find(string secret)
    {
        if (secret.Length is 0 or > LongestSecret)
        {
            return null;
        }

        var hash = HashOf(secret);
        Row? found = null;
        foreach (var row in database.Read<Row>(Select + " WHERE selector = @Selector", new { Selector = SelectorOf(hash) }))
        {
            if (CryptographicOperations.FixedTimeEquals(row.Hash, hash))
            {
                found = row;
            }
        }

        var now = time.GetUtcNow();
        if (found?.ToToken() is not { } token || token.ExpiresAt <= now)
        {
            return null;
        }

        NoteUse(token.Id, now);
        return token;
    }

    /// <summary>As we make them; so a revoked one is not taken for a password.</summary>
    public static bool LooksLikeOne(string text) => text.Length == Prefix.Length + 48 && text.StartsWith(Prefix, StringComparison.Ordinal);

    public Token? Get(long id) => database.ReadOne<Row>(Select + " WHERE id = @id", new { id })?.ToToken();

    /// <summary>By when they were made.</summary>
    public IReadOnlyList<Token> List() => [.. database.Read<Row>(Select + " ORDER BY id").Select(row => row.ToToken())];

    /// <summary>The token opens nothing from here on. False when there was none.</summary>
    public bool Revoke(long id) => database.Write("DELETE FROM tokens WHERE id = @Id", new { Id = id }) > 0;

    /// <summary>Tokens that were good for this one project open nothing from here on: a later project of its name is another one.</summary>
    /// <param name="onlyProject">Its <c>env/name</c>.</param>
    public void RevokeOf(string onlyProject) => database.Write("DELETE FROM tokens WHERE project = @onlyProject", new { onlyProject });

    /// <summary>Writes down the uses noted so far.</summary>
    public void WriteUses()
    {
        // First, so that a use noted from here on is either in this round or sets the timer again.
        Interlocked.Exchange(ref waiting, 0);
        var noted = used.Keys.Select(id => used.TryRemove(id, out var at) ? new { Id = id, At = at.ToString("O") } : null).OfType<object>().ToList();
        if (noted.Count > 0)
        {
            try
            {
                database.Write(connection => connection.Execute("UPDATE tokens SET used_at = @At WHERE id = @Id", noted));
            }
            catch (Microsoft.Data.Sqlite.SqliteException)
            {
                // On a full disk the time of last use is what can best be done without; the next use notes it again.
            }
        }
    }

    public void Dispose()
    {
        writeUses.Dispose();
        WriteUses();
    }

    void NoteUse(long id, DateTimeOffset now)
    {
        used[id] = now;
        if (Interlocked.Exchange(ref waiting, 1) == 0)
        {
            writeUses.Change(UseDelay, Timeout.InfiniteTimeSpan);
        }
    }

    void Install(string secret)
    {
        var hash = HashOf(secret);
        database.Write(connection =>
        {
            connection.Execute("DELETE FROM tokens WHERE fixed AND hash <> @Hash", new { Hash = hash });
            return connection.Execute(
                """
                INSERT INTO tokens (name, selector, hash, is_admin, fixed, made_at) VALUES ('admin', @Selector, @Hash, 1, 1, @At)
                ON CONFLICT (hash) DO UPDATE SET is_admin = 1, fixed = 1, project = NULL, expires_at = NULL, user = NULL, scope = NULL
                """,
                new { Selector = SelectorOf(hash), Hash = hash, At = time.GetUtcNow().ToString("O") });
        });
    }

    long Insert(string name, string secret, bool isAdmin, string? onlyProject, DateTimeOffset? expiresAt, string? user, PermissionSet? scope)
    {
        var hash = HashOf(secret);
        return database.Write(connection => connection.ExecuteScalar<long>(
            """
            INSERT INTO tokens (name, selector, hash, is_admin, project, made_at, expires_at, user, scope)
            VALUES (@Name, @Selector, @Hash, @IsAdmin, @OnlyProject, @At, @ExpiresAt, @user, @Scope) RETURNING id
            """,
            new
            {
                Name = name,
                Selector = SelectorOf(hash),
                Hash = hash,
                IsAdmin = isAdmin,
                OnlyProject = onlyProject,
                At = time.GetUtcNow().ToString("O"),
                ExpiresAt = expiresAt?.ToString("O"),
                user,
                Scope = scope?.ToString(),
            }));
    }

    static byte[] HashOf(string secret) => SHA256.HashData(Encoding.UTF8.GetBytes(secret));

    // Finds the row; the whole hash then decides. How far an index search gets says something of the hash, nothing of the secret.
    static long SelectorOf(byte[] hash) => BinaryPrimitives.ReadInt64BigEndian(hash);

    const string Select =
        "SELECT id AS Id, name AS Name, hash AS Hash, is_admin AS IsAdmin, project AS OnlyProject, made_at AS MadeAt, expires_at AS ExpiresAt, used_at AS UsedAt, user AS User, scope AS Scope FROM tokens";

    sealed class Row
    {
        public long Id { get; set; }

        public string Name { get; set; } = "";

        public byte[] Hash { get; set; } = [];

        public bool IsAdmin { get; set; }

        public string? OnlyProject { get; set; }

        public string MadeAt { get; set; } = "";

        public string? ExpiresAt { get; set; }

        public string? UsedAt { get; set; }

        public string? User { get; set; }

        public string? Scope { get; set; }

        public Token ToToken() => new(Id, Name, IsAdmin, OnlyProject, DateTimeOffset.Parse(MadeAt), Time(ExpiresAt), Time(UsedAt))
        {
            User = User,
            Scope = Scope is null ? PermissionSet.All : PermissionSet.Parse(Scope.Split(',')),
        };

        static DateTimeOffset? Time(string? text) => text is null ? null : DateTimeOffset.Parse(text);
    }
}

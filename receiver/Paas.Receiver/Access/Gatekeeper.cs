using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Access;

/// <summary>Says who asks and what they may do. Every door asks here, and nothing else decides.</summary>
sealed class Gatekeeper(Tokens tokens, Users users, IReadOnlyList<IPasswordSource> passwords, Passes passes, AuditLog audit, TimeProvider time)
{
    /// <summary>How long a password that was right is taken for right without asking again: git asks two or three times for one push.</summary>
    public static readonly TimeSpan Remembered = TimeSpan.FromMinutes(2);

    const int MostRemembered = 1000;

    readonly Failures failures = new(time);
    readonly byte[] secret = RandomNumberGenerator.GetBytes(32);
    readonly ConcurrentDictionary<string, (string User, DateTimeOffset Until)> remembered = new(StringComparer.Ordinal);

    /// <summary>
    /// The caller whose token the password is (any user name), or the user whose password it is; null when it is nobody's. Ask only when
    /// credentials were given: git's first request has none, and that is no failed try.
    /// </summary>
    /// <exception cref="ThrottledException">
    /// <see cref="Failures.Allowed"/> wrong tries came from this address within a minute. A right token still passes, for nobody guesses one; a
    /// password is not even looked at until they are older.
    /// </exception>
    public async Task<Caller?> IdentifyAsync(string? user, string? password, IPAddress from, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();

        // Some clients can only give one of the two and put the token where the user name goes.
        var given = string.IsNullOrEmpty(password) ? user : password;
        if (given is not null && (passes.Find(given) ?? (tokens.Find(given) is { } token ? CallerOf(token) : null)) is { } caller)
        {
            return caller;
        }

        if (Recall(user, password) is { } known)
        {
            return CallerOf(known);
        }

        if (failures.Wait(from) is { } wait)
        {
            throw new ThrottledException(wait);
        }

        // Counted before it is looked at: else a hundred guesses at once would all be looked at before the first one counts.
        failures.Add(from);
        if (!string.IsNullOrEmpty(user) && !string.IsNullOrEmpty(password) && !Tokens.LooksLikeOne(password) && await CheckAsync(user, password, ct) is { Disabled: false } right)
        {
            failures.Forgive(from);
            return CallerOf(right);
        }

        if (failures.Wait(from) is not null)
        {
            audit.Add(new AuditEntry("nobody", "", from.ToString(), "login", "", "throttled"));
        }

        return null;
    }

    /// <summary>The caller that a key stands for; null when its user is disabled.</summary>
    public Caller? CallerOf(AccessKey key) =>
        key.User is { } name
            ? users.Find(name) is { Disabled: false } user ? CallerOf(user) with { Credential = $"key {key.Id} ({key.Name})" } : null
            : new Caller(key.Name, IsAdmin: false, key.OnlyProject) { Rights = key.MayPush ? Rights.OneProject : Rights.OneProjectToRead, Credential = $"deploy key {key.Id} ({key.Name})" };

    /// <summary>May this caller do that? A project is named by its <c>env/name</c>, also one that does not exist (yet).</summary>
    public bool May(Caller caller, Permission permission, string? projectKey = null) =>
        caller.Scope.Has(permission)
        && (caller.OnlyProject is null || caller.OnlyProject == projectKey)
        && (caller.IsAdmin || caller.Rights.Has(permission, projectKey?.Split('/')[0]));

    public bool May(Caller caller, Permission permission, Project project) => May(caller, permission, project.Key);

    /// <summary>May this caller do that with an environment, or with any project in it?</summary>
    public bool May(Caller caller, Permission permission, EnvironmentName environment) =>
        caller.Scope.Has(permission) && caller.OnlyProject is null && (caller.IsAdmin || caller.Rights.Has(permission, environment.Value));

    /// <summary>Would this caller gain nothing by having these rights? Nobody hands out more than they have.</summary>
    public bool Covers(Caller caller, Rights rights) => caller.IsWhole && (caller.IsAdmin || caller.Rights.Cover(rights));

    /// <summary>Passwords are asked about again from here on: somebody's changed.</summary>
    public void Forget() => remembered.Clear();

    Caller? CallerOf(Token token)
    {
        var credential = $"token {token.Id} ({token.Name})";
        return token.User is { } name
            ? users.Find(name) is { Disabled: false } user
                ? CallerOf(user) with { OnlyProject = token.OnlyProject, Scope = token.Scope, Credential = credential } : null
            : new Caller(token.Name, token.IsAdmin, token.OnlyProject) { Scope = token.Scope, Credential = credential };
    }

    Caller CallerOf(User user)
    {
        var rights = users.RightsOf(user.Name);
        return new Caller(user.Name, rights.Everywhere == PermissionSet.All) { User = user.Name, Rights = rights, Credential = $"{user.Source} password" };
    }

    async Task<User?> CheckAsync(string user, string password, CancellationToken ct)
    {
        foreach (var source in passwords)
        {
            if (await source.CheckAsync(user, password, ct) is { } right)
            {
                Remember(user, password, right);
                return right;
            }
        }

        return null;
    }

    void Remember(string user, string password, User right)
    {
        if (remembered.Count >= MostRemembered)
        {
            remembered.Clear();
        }

        remembered[Digest(user, password)] = (right.Name, time.GetUtcNow() + Remembered);
    }

    User? Recall(string? user, string? password) =>
        !string.IsNullOrEmpty(user) && !string.IsNullOrEmpty(password) && !remembered.IsEmpty
        && remembered.TryGetValue(Digest(user, password), out var one) && one.Until > time.GetUtcNow() && users.Find(one.User) is { Disabled: false } known
            ? known : null;

    // Keyed by something that is in no file: what is kept in memory says nothing of the password to who reads it there later.
    string Digest(string user, string password) => Convert.ToBase64String(HMACSHA256.HashData(secret, Encoding.UTF8.GetBytes($"{user}\0{password}")));
}

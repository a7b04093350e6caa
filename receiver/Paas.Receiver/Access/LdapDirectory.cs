using System.DirectoryServices.Protocols;
using System.Net;
using System.Text;

namespace Paas.Receiver.Access;

/// <summary>Where a directory is and how it is asked (<c>PAAS_LDAP_…</c>).</summary>
sealed record LdapSettings
{
    public required string Host { get; init; }

    public required int Port { get; init; }

    /// <summary><c>ldaps://</c>.</summary>
    public bool Tls { get; init; }

    /// <summary><c>PAAS_LDAP_STARTTLS</c>.</summary>
    public bool StartTls { get; init; }

    /// <summary><c>PAAS_LDAP_CA_DIRECTORY</c>: certificates that are trusted, named by their hash; null is what the machine's ldap.conf says.</summary>
    public string? TrustedCertificates { get; init; }

    /// <summary><c>PAAS_LDAP_TEMPLATE</c>: a user's name in the directory, with <c>{user}</c>; null where it is searched for.</summary>
    public string? Template { get; init; }

    /// <summary><c>PAAS_LDAP_BIND_DN</c> and <c>PAAS_LDAP_BIND_PASSWORD</c>: who searches; nobody in particular where it is empty.</summary>
    public string? BindName { get; init; }

    public string? BindPassword { get; init; }

    /// <summary><c>PAAS_LDAP_SEARCH_BASE</c>, <c>PAAS_LDAP_SEARCH_FILTER</c> with <c>{user}</c>.</summary>
    public string? SearchBase { get; init; }

    public string SearchFilter { get; init; } = "(uid={user})";

    /// <summary><c>PAAS_LDAP_GROUP_BASE</c>, <c>PAAS_LDAP_GROUP_FILTER</c> with <c>{dn}</c> or <c>{user}</c>; without a base a user's own <c>memberOf</c> counts.</summary>
    public string? GroupBase { get; init; }

    public string GroupFilter { get; init; } = "(|(member={dn})(uniqueMember={dn})(memberUid={user}))";

    /// <summary><c>PAAS_LDAP_ROLES</c>: which role a group gives, everywhere or in one environment.</summary>
    public IReadOnlyList<LdapRole> Roles { get; init; } = [];

    /// <summary><c>PAAS_LDAP_TIMEOUT</c>, seconds.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);
}

/// <param name="Group">A group's <c>cn</c>, or its whole name.</param>
/// <param name="Environment">Null is everywhere.</param>
sealed record LdapRole(string Group, string Role, string? Environment);

/// <summary>
/// Passwords that a directory vouches for. A user is made here at the first login and gets the roles of the groups it is in at each; without a group
/// it may do nothing (reference 2.12). A directory that does not answer keeps nobody out who has a token or a local password.
/// </summary>
sealed partial class LdapDirectory(LdapSettings settings, Users users, TimeProvider time, ILogger<LdapDirectory> logger) : IPasswordSource, IDisposable
{
    public const string SourceName = "ldap";

    const int WrongPassword = 49;

    /// <summary>How long a directory that did not answer is not asked again: every login would wait for it.</summary>
    static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

    static readonly string[] Attributes = ["cn", "displayName", "mail", "memberOf"];

    // The library blocks a thread for as long as it waits.
    readonly SemaphoreSlim atOnce = new(4);
    long asleepUntil;

    public string Name => SourceName;

    public async Task<User?> CheckAsync(string user, string password, CancellationToken ct)
    {
        // Directories do not tell upper from lower case; here a name has one form. An empty password would be a bind as nobody, which succeeds.
        var name = user.ToLowerInvariant();
        if (password.Length == 0 || !Users.IsName(name) || users.Find(name) is { } known && (known.Source != SourceName || known.Disabled))
        {
            return null;
        }

        if (time.GetUtcNow().UtcTicks < Volatile.Read(ref asleepUntil) || !await atOnce.WaitAsync(settings.Timeout, ct))
        {
            return null;
        }

        var asking = Task.Run(() => Ask(name, password), CancellationToken.None);
        _ = asking.ContinueWith(_ => atOnce.Release(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        try
        {
            // Its own time limits do not cover a connection that nobody answers.
            var found = await asking.WaitAsync(settings.Timeout * 2, time, ct);
            return found is null ? null : users.Adopt(SourceName, name, found.FullName, found.Email, found.Roles);
        }
        catch (Exception e) when (e is LdapException or DirectoryOperationException or TimeoutException or TlsOperationException)
        {
            Volatile.Write(ref asleepUntil, (time.GetUtcNow() + Pause).UtcTicks);
            Log.DoesNotAnswer(logger, settings.Host, settings.Port, e.Message);
            return null;
        }
    }

    public void Dispose() => atOnce.Dispose();

    /// <summary>Null when the name or the password is wrong.</summary>
    Found? Ask(string user, string password)
    {
        if (settings.Template is { } template)
        {
            var name = template.Replace("{user}", InName(user), StringComparison.Ordinal);
            using var own = Connect();
            return TryBind(own, name, password) ? Read(own, name, user) : null;
        }

        using var service = Connect();
        Bind(service, settings.BindName, settings.BindPassword);
        var request = new SearchRequest(settings.SearchBase, settings.SearchFilter.Replace("{user}", InFilter(user), StringComparison.Ordinal), SearchScope.Subtree, Attributes) { SizeLimit = 2 };
        if (((SearchResponse)service.SendRequest(request, settings.Timeout)).Entries is not { Count: 1 } entries)
        {
            return null; // nobody, or somebody ambiguous
        }

        using var connection = Connect();
        return TryBind(connection, entries[0].DistinguishedName, password) ? Read(service, entries[0].DistinguishedName, user) : null;
    }

    LdapConnection Connect()
    {
        var connection = new LdapConnection(new LdapDirectoryIdentifier(settings.Host, settings.Port, fullyQualifiedDnsHostName: true, connectionless: false))
        {
            AuthType = AuthType.Basic,
            Timeout = settings.Timeout,
        };
        try
        {
            connection.SessionOptions.ProtocolVersion = 3;
            connection.SessionOptions.ReferralChasing = ReferralChasingOptions.None;
            if (settings.TrustedCertificates is { } trusted && OperatingSystem.IsLinux())
            {
                connection.SessionOptions.TrustedCertificatesDirectory = trusted;
                connection.SessionOptions.StartNewTlsSessionContext();
            }

            if (settings.Tls)
            {
                connection.SessionOptions.SecureSocketLayer = true;
            }
            else if (settings.StartTls)
            {
                Reach(connection);
                connection.SessionOptions.StartTransportLayerSecurity(null);
            }

            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>
    /// StartTLS alone would be sent to the library's default address: only a request leads to the address that was given. This one says nothing of
    /// anybody, and its answer does not matter.
    /// </summary>
    void Reach(LdapConnection connection)
    {
        connection.AutoBind = false;
        try
        {
            connection.SendRequest(new SearchRequest(null, "(objectClass=*)", SearchScope.Base, "1.1"), settings.Timeout);
        }
        catch (DirectoryOperationException)
        {
            // Not for everybody to read; the line is open all the same.
        }
    }

    static void Bind(LdapConnection connection, string? name, string? password)
    {
        if (string.IsNullOrEmpty(name))
        {
            connection.AuthType = AuthType.Anonymous;
            connection.Bind();
        }
        else
        {
            connection.Bind(new NetworkCredential(name, password));
        }
    }

    static bool TryBind(LdapConnection connection, string name, string password)
    {
        try
        {
            connection.Bind(new NetworkCredential(name, password));
            return true;
        }
        catch (LdapException e) when (e.ErrorCode == WrongPassword)
        {
            return false;
        }
    }

    Found Read(LdapConnection connection, string name, string user)
    {
        var request = new SearchRequest(name, "(objectClass=*)", SearchScope.Base, Attributes);
        var entry = ((SearchResponse)connection.SendRequest(request, settings.Timeout)).Entries is { Count: 1 } entries ? entries[0] : null;
        var groups = GroupsOf(connection, entry, name, user);
        return new Found(
            First(entry, "displayName") ?? First(entry, "cn"), First(entry, "mail"),
            [.. settings.Roles.Where(role => groups.Contains(role.Group)).Select(role => (role.Role, role.Environment)).Distinct()]);
    }

    /// <summary>Of each group its whole name and its <c>cn</c>.</summary>
    HashSet<string> GroupsOf(LdapConnection connection, SearchResultEntry? entry, string name, string user)
    {
        var groups = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        if (settings.GroupBase is null)
        {
            foreach (var group in All(entry, "memberOf"))
            {
                groups.Add(group);
                groups.Add(CommonName(group));
            }

            return groups;
        }

        var filter = settings.GroupFilter.Replace("{dn}", InFilter(name), StringComparison.Ordinal).Replace("{user}", InFilter(user), StringComparison.Ordinal);
        foreach (SearchResultEntry group in ((SearchResponse)connection.SendRequest(new SearchRequest(settings.GroupBase, filter, SearchScope.Subtree, "cn"), settings.Timeout)).Entries)
        {
            groups.Add(group.DistinguishedName);
            groups.UnionWith(All(group, "cn"));
        }

        return groups;
    }

    static string CommonName(string name)
    {
        var first = name.Split(',')[0];
        return first[(first.IndexOf('=', StringComparison.Ordinal) + 1)..];
    }

    static string? First(SearchResultEntry? entry, string attribute) => All(entry, attribute).FirstOrDefault();

    static IEnumerable<string> All(SearchResultEntry? entry, string attribute) =>
        entry?.Attributes[attribute]?.GetValues(typeof(string)).Cast<string>().Where(value => !value.Any(char.IsControl) && value.Length <= 400) ?? [];

    /// <summary>As a value in a filter (RFC 4515).</summary>
    internal static string InFilter(string value)
    {
        var escaped = new StringBuilder(value.Length);
        foreach (var one in Encoding.UTF8.GetBytes(value))
        {
            _ = one is (byte)'*' or (byte)'(' or (byte)')' or (byte)'\\' or 0 or > 126 ? escaped.Append('\\').Append(one.ToString("x2")) : escaped.Append((char)one);
        }

        return escaped.ToString();
    }

    /// <summary>As a value in a distinguished name (RFC 4514).</summary>
    internal static string InName(string value) =>
        string.Concat(value.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' or '@' ? c.ToString() : $"\\{c}"));

    sealed record Found(string? FullName, string? Email, IReadOnlyCollection<(string Role, string? Environment)> Roles);

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "The directory at {Host}:{Port} does not answer as it should, logins go on without it: {Why}")]
        public static partial void DoesNotAnswer(ILogger logger, string host, int port, string why);
    }
}

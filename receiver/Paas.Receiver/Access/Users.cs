using System.Collections.Frozen;
using System.Data;
using Dapper;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Access;

/// <summary>A named set of permissions.</summary>
sealed record Role(string Name, PermissionSet Permissions);

/// <summary>A role given to a user.</summary>
/// <param name="Environment">Null is everywhere.</param>
/// <param name="Source"><c>local</c> where people gave it, <c>ldap</c> where a directory's groups did.</param>
sealed record Grant(string Role, string? Environment, string Source);

/// <summary>Somebody with a name here. Immutable.</summary>
/// <param name="Source">Who vouches for the password: <c>local</c> or <c>ldap</c>.</param>
/// <param name="Disabled">None of the user's credentials opens anything.</param>
sealed record User(string Name, string? FullName, string? Email, string Source, bool Disabled, bool HasPassword, DateTimeOffset MadeAt, IReadOnlyList<Grant> Grants);

/// <summary>
/// The users, the roles and who has which (reference 2.12). Read from memory, where a whole new picture takes the place of the old one at each
/// change; a change is durable when its call returns. There is always somebody left who may administer.
/// </summary>
sealed class Users
{
    public const string Local = "local";
    public const string Administrator = "administrator";

    const int LongestText = 200;

    readonly Database database;
    readonly TimeProvider time;
    readonly Lock changing = new();
    volatile Picture now;

    public Users(Database database, TimeProvider time)
    {
        this.database = database;
        this.time = time;
        now = database.Write(Read);
    }

    /// <summary>What a user's name is like, for people.</summary>
    public static string Rule => "a user's name is 1 to 64 of a-z, 0-9, '.', '_', '-' and '@', and begins with a letter or a digit";

    public IReadOnlyList<User> List() => now.Ordered;

    public User? Find(string name) => now.ByName.GetValueOrDefault(name);

    public IReadOnlyList<Role> Roles() => now.Roles;

    public Role? FindRole(string name) => now.Roles.FirstOrDefault(role => role.Name == name);

    /// <summary>What the user's roles allow together; nothing for one who is disabled or not there.</summary>
    public Rights RightsOf(string user) => now.Rights.GetValueOrDefault(user) ?? Rights.None;

    /// <exception cref="Refusal">The name is none, or taken.</exception>
    public User Add(string name, string? fullName = null, string? email = null)
    {
        Check(name, fullName, email);
        Change(connection =>
        {
            if (connection.Execute("INSERT OR IGNORE INTO users (name, full_name, email, source, made_at) VALUES (@name, @fullName, @email, 'local', @At)", new { name, fullName, email, At = Now }) == 0)
            {
                throw new Refusal($"There is a user '{name}' already.");
            }
        });
        return Find(name)!;
    }

    /// <summary>Changes what is given; null leaves as it is.</summary>
    public User Edit(string name, string? fullName, string? email, bool? disabled)
    {
        Check(name, fullName, email);
        Change(connection => Existing(name, connection.Execute(
            "UPDATE users SET full_name = coalesce(@fullName, full_name), email = coalesce(@email, email), disabled = coalesce(@disabled, disabled) WHERE name = @name",
            new { name, fullName, email, disabled })));
        return Find(name)!;
    }

    /// <summary>The user with all keys, tokens and grants. What it did stays in the audit log.</summary>
    public void Remove(string name) => Change(connection => Existing(name, connection.Execute("DELETE FROM users WHERE name = @name", new { name })));

    /// <summary>Null takes the password away.</summary>
    public void SetPassword(string name, string? password)
    {
        var kept = password is null ? null : Passwords.Keep(password);
        Change(connection => Existing(name, connection.Execute("UPDATE users SET password = @kept WHERE name = @name AND source = 'local'", new { name, kept })));
    }

    /// <summary>As <see cref="Passwords.Keep"/> made it; null when there is none.</summary>
    public string? KeptPassword(string name) => database.ReadOne<string>("SELECT password FROM users WHERE name = @name AND source = 'local' AND NOT disabled", new { name });

    public void Give(string user, string role, string? environment)
    {
        _ = FindRole(role) ?? throw new Refusal($"There is no role '{role}'. There are {string.Join(", ", Roles().Select(one => one.Name))}.");
        Change(connection =>
        {
            Existing(user, connection.ExecuteScalar<int>("SELECT count(*) FROM users WHERE name = @user", new { user }));
            connection.Execute("INSERT OR IGNORE INTO grants (user, role, environment, source) VALUES (@user, @role, @Where, 'local')", new { user, role, Where = environment ?? "" });
        });
    }

    /// <summary>An environment is gone: what was given in it is not given in a later one of its name.</summary>
    public void TakeBackAll(EnvironmentName environment) =>
        Change(connection => _ = connection.Execute("DELETE FROM grants WHERE environment = @Where", new { Where = environment.Value }));

    /// <exception cref="Refusal">It was not given by people.</exception>
    public void TakeBack(string user, string role, string? environment) =>
        Change(connection => _ = connection.Execute(
            "DELETE FROM grants WHERE user = @user AND role = @role AND environment = @Where AND source = 'local'", new { user, role, Where = environment ?? "" }) > 0
            ? true : throw new Refusal($"{user} was not given the role '{role}'{(environment is null ? "" : $" in {environment}")} here."));

    /// <summary>Makes the role, or gives it other permissions.</summary>
    public Role PutRole(string name, PermissionSet permissions)
    {
        if (!ProjectName.IsLabel(name))
        {
            throw new Refusal($"'{name}' is not a role's name: {ProjectName.Rule}.");
        }

        Unchangeable(name);
        Change(connection => connection.Execute(
            "INSERT INTO roles (name, permissions) VALUES (@name, @Permissions) ON CONFLICT (name) DO UPDATE SET permissions = @Permissions",
            new { name, Permissions = permissions.ToString() }));
        return FindRole(name)!;
    }

    /// <summary>The role, taken back from everybody who had it.</summary>
    public void RemoveRole(string name)
    {
        Unchangeable(name);
        Change(connection =>
        {
            connection.Execute("DELETE FROM grants WHERE role = @name", new { name });
            if (connection.Execute("DELETE FROM roles WHERE name = @name", new { name }) == 0)
            {
                throw new Refusal($"There is no role '{name}'.");
            }
        });
    }

    /// <summary>
    /// A login that a directory vouches for: the user is made at the first one, and what the directory gave takes the place of what it gave before.
    /// Null when the name belongs to a local user or to one who is disabled.
    /// </summary>
    public User? Adopt(string source, string name, string? fullName, string? email, IReadOnlyCollection<(string Role, string? Environment)> given)
    {
        if (!IsName(name) || Find(name) is { } known && (known.Source != source || known.Disabled))
        {
            return null;
        }

        var roles = given.Where(one => FindRole(one.Role) is not null).Select(one => new Grant(one.Role, one.Environment, source)).ToHashSet();
        if (Find(name) is not { } same || same.FullName != fullName || same.Email != email || !roles.SetEquals(same.Grants.Where(grant => grant.Source == source)))
        {
            Change(connection =>
            {
                connection.Execute(
                    """
                    INSERT INTO users (name, full_name, email, source, made_at) VALUES (@name, @fullName, @email, @source, @At)
                    ON CONFLICT (name) DO UPDATE SET full_name = @fullName, email = @email
                    """,
                    new { name, fullName, email, source, At = Now });
                connection.Execute("DELETE FROM grants WHERE user = @name AND source = @source", new { name, source });
                foreach (var grant in roles)
                {
                    connection.Execute(
                        "INSERT INTO grants (user, role, environment, source) VALUES (@name, @Role, @Where, @source)", new { name, grant.Role, Where = grant.Environment ?? "", source });
                }
            });
        }

        return Find(name);
    }

    public static bool IsName(string? text) =>
        text is { Length: > 0 and <= 64 } && char.IsAsciiLetterOrDigit(text[0]) && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '.' or '_' or '-' or '@');

    string Now => time.GetUtcNow().ToString("O");

    void Change(Action<IDbConnection> change)
    {
        lock (changing)
        {
            now = database.Write(connection =>
            {
                change(connection);
                var picture = Read(connection);
                return picture.Rights.Values.Any(rights => rights.Everywhere == PermissionSet.All)
                    ? picture : throw new Refusal("Nobody would be left who may administer. Give somebody else the role 'administrator' first.");
            });
        }
    }

    static void Unchangeable(string role)
    {
        if (role == Administrator)
        {
            throw new Refusal($"The role '{Administrator}' stays as it is.");
        }
    }

    static void Existing(string name, int rows) => _ = rows > 0 ? true : throw new Refusal($"There is no local user '{name}'.");

    static void Check(string name, params string?[] texts)
    {
        if (!IsName(name))
        {
            throw new Refusal($"'{name}' is not a user's name: {Rule}.");
        }

        if (texts.Any(text => text is not null && (text.Length > LongestText || text.Any(char.IsControl))))
        {
            throw new Refusal($"A full name and an address are at most {LongestText} printable characters.");
        }
    }

    static Picture Read(IDbConnection connection)
    {
        var roles = connection.Query<(string Name, string Permissions)>("SELECT name, permissions FROM roles ORDER BY name")
            .Select(row => new Role(row.Name, PermissionSet.Parse(row.Permissions.Split(',')))).ToList();
        var grants = connection.Query<(string User, string Role, string Environment, string Source)>("SELECT user, role, environment, source FROM grants ORDER BY role, environment")
            .ToLookup(row => row.User, row => new Grant(row.Role, row.Environment.Length == 0 ? null : row.Environment, row.Source), StringComparer.Ordinal);
        var users = connection.Query<UserRow>(
                "SELECT name AS Name, full_name AS FullName, email AS Email, source AS Source, disabled AS Disabled, password IS NOT NULL AS HasPassword, made_at AS MadeAt FROM users ORDER BY name")
            .Select(row => new User(row.Name, row.FullName, row.Email, row.Source, row.Disabled, row.HasPassword, DateTimeOffset.Parse(row.MadeAt), [.. grants[row.Name]])).ToList();
        var permissions = roles.ToDictionary(role => role.Name, role => role.Permissions, StringComparer.Ordinal);
        return new Picture(
            roles, users, users.ToFrozenDictionary(user => user.Name, StringComparer.Ordinal),
            users.Where(user => !user.Disabled).ToFrozenDictionary(user => user.Name, user => RightsOf(user.Grants, permissions), StringComparer.Ordinal));
    }

    static Rights RightsOf(IEnumerable<Grant> grants, Dictionary<string, PermissionSet> permissions)
    {
        var (everywhere, environments) = (PermissionSet.None, new Dictionary<string, PermissionSet>(StringComparer.Ordinal));
        foreach (var grant in grants)
        {
            var more = permissions[grant.Role];
            if (grant.Environment is null)
            {
                everywhere |= more;
            }
            else
            {
                environments[grant.Environment] = environments.GetValueOrDefault(grant.Environment) | more;
            }
        }

        return new Rights(everywhere, environments);
    }

    sealed record Picture(IReadOnlyList<Role> Roles, IReadOnlyList<User> Ordered, FrozenDictionary<string, User> ByName, FrozenDictionary<string, Rights> Rights);

    sealed class UserRow
    {
        public string Name { get; set; } = "";

        public string? FullName { get; set; }

        public string? Email { get; set; }

        public string Source { get; set; } = "";

        public bool Disabled { get; set; }

        public bool HasPassword { get; set; }

        public string MadeAt { get; set; } = "";
    }
}

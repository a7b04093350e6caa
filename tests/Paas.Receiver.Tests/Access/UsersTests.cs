using System.Net;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;
using Xunit;

namespace Paas.Receiver.Access;

public sealed class UsersTests : IDisposable
{
    static readonly IPAddress Here = IPAddress.Parse("192.0.2.1");

    readonly string directory = Directory.CreateTempSubdirectory("users").FullName;
    readonly ManualTime time = new();
    readonly Database database;
    readonly AccessRoom room;

    public UsersTests()
    {
        database = Database.OpenOrCreate(Path.Combine(directory, "paas.db"));
        room = new AccessRoom(database, time);
    }

    Users Users => room.Users;

    public void Dispose()
    {
        room.Dispose();
        database.Dispose();
        Directory.Delete(directory, recursive: true);
    }

    [Fact]
    public void There_are_26_permissions_and_each_has_the_name_of_the_reference()
    {
        var all = PermissionSet.All.List();

        Assert.Equal(26, all.Count);
        Assert.All(all, name => Assert.Equal([name], PermissionSet.Parse([name]).List()));
        Assert.Equal(PermissionSet.All, PermissionSet.Parse(["*"]));
        Assert.Contains("'NO_SUCH'", Assert.Throws<Refusal>(() => PermissionSet.Parse(["USER_LIST", "NO_SUCH"])).Message, StringComparison.Ordinal);
        foreach (var permission in Enum.GetValues<Permission>().Distinct())
        {
            var words = PermissionSet.NameOf(permission).Split('_').Select(word => word[0] + word[1..].ToLowerInvariant());
            Assert.Equal(permission, Enum.Parse<Permission>(string.Concat(words)));
        }
    }

    [Fact]
    public void The_first_administrator_is_there_and_has_no_password()
    {
        var admin = Users.Find("admin")!;

        Assert.Equal(PermissionSet.All, Users.RightsOf("admin").Everywhere);
        Assert.False(admin.HasPassword);
        Assert.Empty(room.Tokens.List());
        Assert.Empty(room.Keys.List());
    }

    [Fact]
    public async Task A_role_is_good_where_it_was_given_and_nowhere_else()
    {
        Users.Add("alice");
        Users.Give("alice", "developer", "qa");
        Users.Give("alice", "viewer", null);
        var alice = await CallerAsync("alice");

        Assert.True(room.Gatekeeper.May(alice, Permission.Deploy, "qa/shop"));
        Assert.False(room.Gatekeeper.May(alice, Permission.Deploy, "prod/shop"));
        Assert.True(room.Gatekeeper.May(alice, Permission.View, "prod/shop"));
        Assert.False(room.Gatekeeper.May(alice, Permission.Deploy)); // a global question needs a global answer
        Assert.True(room.Gatekeeper.May(alice, Permission.WorkspaceList));
        Assert.True(room.Gatekeeper.May(alice, Permission.Deploy, EnvironmentName.Parse("qa")));
        Assert.False(room.Gatekeeper.May(alice, Permission.Administer, "qa/shop"));

        Users.TakeBack("alice", "developer", "qa");
        Assert.False(room.Gatekeeper.May(await CallerAsync("alice"), Permission.Deploy, "qa/shop"));
    }

    [Fact]
    public async Task Changing_a_role_changes_what_everybody_with_it_may()
    {
        Users.Add("bob");
        Users.PutRole("watcher", PermissionSet.Of(Permission.View));
        Users.Give("bob", "watcher", null);
        Assert.False(room.Gatekeeper.May(await CallerAsync("bob"), Permission.JobAbort, "local/a"));

        Users.PutRole("watcher", PermissionSet.Of(Permission.View, Permission.JobAbort));
        Assert.True(room.Gatekeeper.May(await CallerAsync("bob"), Permission.JobAbort, "local/a"));

        Users.RemoveRole("watcher");
        Assert.False(room.Gatekeeper.May(await CallerAsync("bob"), Permission.View, "local/a"));
        Assert.Throws<Refusal>(() => Users.PutRole("administrator", PermissionSet.None));
        Assert.Throws<Refusal>(() => Users.RemoveRole("administrator"));
    }

    [Fact]
    public async Task A_token_does_no_more_than_its_user_and_no_more_than_its_scope()
    {
        Users.Add("alice");
        Users.Give("alice", "developer", null);
        var limited = room.Tokens.Create("ci", isAdmin: false, "local/shop", user: "alice", scope: PermissionSet.Of(Permission.View, Permission.Deploy, Permission.Administer)).Secret;

        var caller = (await room.Gatekeeper.IdentifyAsync("x", limited, Here, default))!;
        Assert.Equal(("alice", false), (caller.User, caller.IsWhole));
        Assert.True(room.Gatekeeper.May(caller, Permission.Deploy, "local/shop"));
        Assert.False(room.Gatekeeper.May(caller, Permission.Deploy, "local/other"));
        Assert.False(room.Gatekeeper.May(caller, Permission.Configure, "local/shop")); // not in the scope
        Assert.False(room.Gatekeeper.May(caller, Permission.Administer, "local/shop")); // not in the user's roles

        Users.Edit("alice", null, null, disabled: true);
        Assert.Null(await room.Gatekeeper.IdentifyAsync("x", limited, Here, default));
        Users.Edit("alice", null, null, disabled: false);
        Assert.NotNull(await room.Gatekeeper.IdentifyAsync("x", limited, Here, default));
        Users.Remove("alice");
        Assert.Null(await room.Gatekeeper.IdentifyAsync("x", limited, Here, default));
        Assert.Empty(room.Tokens.List());
    }

    [Fact]
    public void Somebody_who_may_administer_is_always_left()
    {
        Assert.Throws<Refusal>(() => Users.Remove("admin"));
        Assert.Throws<Refusal>(() => Users.Edit("admin", null, null, disabled: true));
        Assert.Throws<Refusal>(() => Users.TakeBack("admin", "administrator", null));
        Assert.Equal(PermissionSet.All, Users.RightsOf("admin").Everywhere);

        Users.Add("root2");
        Users.Give("root2", "administrator", null);
        Users.Remove("admin");
        Assert.Throws<Refusal>(() => Users.Remove("root2"));
        Assert.Equal(["root2"], new Users(database, time).List().Select(user => user.Name));
    }

    [Theory]
    [InlineData("")]
    [InlineData("Alice")]
    [InlineData("a b")]
    [InlineData("-a")]
    [InlineData("a\n")]
    [InlineData("ä")]
    public void A_name_that_is_none_is_refused(string name) => Assert.Throws<Refusal>(() => Users.Add(name));

    [Fact]
    public async Task A_password_is_kept_as_a_slow_hash_and_is_the_users_own()
    {
        Users.Add("alice");
        Users.Add("bob");
        Assert.Throws<Refusal>(() => Users.SetPassword("alice", "short"));
        Users.SetPassword("alice", "correct horse battery");

        Assert.StartsWith("pbkdf2-sha512:210000:", Users.KeptPassword("alice"), StringComparison.Ordinal);
        Assert.Equal("alice", (await LoginAsync("alice", "correct horse battery"))?.User);
        Assert.Null(await LoginAsync("bob", "correct horse battery"));
        Assert.Null(await LoginAsync("alice", "correct horse batterx"));
        Assert.Null(await LoginAsync("nobody", "correct horse battery"));
        Assert.Null(await LoginAsync("' OR 1=1 --", "correct horse battery"));

        Users.SetPassword("alice", null);
        room.Gatekeeper.Forget();
        Assert.Null(await LoginAsync("alice", "correct horse battery"));
    }

    [Fact]
    public async Task A_password_that_was_right_is_remembered_for_two_minutes_but_not_past_the_user()
    {
        Users.Add("alice");
        Users.SetPassword("alice", "correct horse battery");
        Assert.NotNull(await LoginAsync("alice", "correct horse battery"));
        Users.Edit("alice", null, null, disabled: true);
        Assert.Null(await LoginAsync("alice", "correct horse battery"));
    }

    [Fact]
    public void A_directory_makes_users_and_replaces_only_what_it_gave()
    {
        Users.Add("local");
        Assert.Null(Users.Adopt("ldap", "local", null, null, []));
        Assert.NotNull(Users.Adopt("ldap", "carol", "Carol", "c@example.org", [("developer", null), ("no-such-role", null)]));
        Users.Give("carol", "viewer", "qa");
        Assert.Equal(["developer", "viewer"], Users.Find("carol")!.Grants.Select(grant => grant.Role));

        Users.Adopt("ldap", "carol", "Carol", "c@example.org", []);
        Assert.Equal(["viewer"], Users.Find("carol")!.Grants.Select(grant => grant.Role));
        Users.Edit("carol", null, null, disabled: true);
        Assert.Null(Users.Adopt("ldap", "carol", "Carol", null, [("administrator", null)]));
        Assert.Throws<Refusal>(() => Users.SetPassword("carol", "correct horse battery"));
    }

    [Fact]
    public async Task A_pass_is_good_as_long_as_the_visit()
    {
        var caller = new Caller("alice", IsAdmin: false) { CameFrom = Here };
        var pass = room.Passes.Issue(caller);
        Assert.Same(caller, await room.Gatekeeper.IdentifyAsync(null, pass.Secret, IPAddress.Loopback, default));
        pass.Dispose();
        Assert.Null(await room.Gatekeeper.IdentifyAsync(null, pass.Secret, IPAddress.Loopback, default));
    }

    [Fact]
    public void Nobody_covers_more_than_they_have()
    {
        var developer = new Caller("d", IsAdmin: false);
        var here = new Rights(PermissionSet.None, new Dictionary<string, PermissionSet> { ["qa"] = PermissionSet.Of(Permission.WorkspaceEdit) });

        Assert.True(room.Gatekeeper.Covers(developer, Rights.OneProject));
        Assert.False(room.Gatekeeper.Covers(developer, Rights.All));
        Assert.False(room.Gatekeeper.Covers(developer, here));
        Assert.True(room.Gatekeeper.Covers(developer with { Rights = here }, here));
        Assert.False(room.Gatekeeper.Covers(developer with { Rights = here }, Rights.Of(PermissionSet.Of(Permission.WorkspaceEdit))));
        Assert.False(room.Gatekeeper.Covers(new Caller("a", IsAdmin: true) with { Scope = PermissionSet.Of(Permission.View) }, Rights.None));
    }

    Task<Caller?> LoginAsync(string user, string password) => room.Gatekeeper.IdentifyAsync(user, password, Here, default);

    async Task<Caller> CallerAsync(string user) =>
        (await room.Gatekeeper.IdentifyAsync(null, room.Tokens.Create("t", isAdmin: false, user: user).Secret, Here, default))!;
}

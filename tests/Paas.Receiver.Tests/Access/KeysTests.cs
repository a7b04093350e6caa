using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;
using Xunit;

namespace Paas.Receiver.Access;

public sealed class KeysTests : IDisposable
{
    const string Ed25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGq9pzoZ3/8MfxmqMHjnSNBnPTl1eCZ1W1uBqQyZwGgd a comment with spaces";

    readonly string directory = Directory.CreateTempSubdirectory("keys").FullName;
    readonly Database database;
    readonly AccessRoom room;

    public KeysTests()
    {
        database = Database.OpenOrCreate(Path.Combine(directory, "paas.db"));
        room = new AccessRoom(database, new ManualTime());
    }

    public void Dispose()
    {
        room.Dispose();
        database.Dispose();
        Directory.Delete(directory, recursive: true);
    }

    [Theory]
    [InlineData("ed25519", "256")]
    [InlineData("rsa", "2048")]
    [InlineData("ecdsa", "256")]
    [InlineData("ecdsa", "521")]
    public async Task A_key_that_ssh_keygen_made_has_the_fingerprint_that_ssh_keygen_shows(string type, string bits)
    {
        var file = Path.Combine(directory, "id");
        await new Command("ssh-keygen", "-q", "-t", type, "-b", bits, "-N", "", "-C", "me@here", "-f", file).OutputAsync();
        var shown = await new Command("ssh-keygen", "-lf", file + ".pub").OutputAsync();

        var key = PublicKey.Parse(await File.ReadAllTextAsync(file + ".pub"));

        Assert.Equal(shown.Split(' ')[1], key.Fingerprint);
        Assert.Equal("me@here", key.Comment);
        var privateKey = await File.ReadAllTextAsync(file);
        Assert.Contains("private", Assert.Throws<Refusal>(() => PublicKey.Parse(privateKey)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("ssh-ed25519")]
    [InlineData("ssh-dss AAAAB3NzaC1kc3MAAACBAP")]
    [InlineData("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGq9pzoZ3/8MfxmqMHjnSNBnPTl1eCZ1W1uBqQ==")]
    [InlineData("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIGq9pzoZ3/8MfxmqMHjnSNBnPTl1eCZ1W1uBqQyZwGgd")]
    [InlineData("command=\"sh\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGq9pzoZ3/8MfxmqMHjnSNBnPTl1eCZ1W1uBqQyZwGgd")]
    [InlineData(Ed25519 + "\nssh-ed25519 AAAA")]
    [InlineData("ssh-ed25519 not-base64")]
    public void What_is_no_key_is_refused(string text) => Assert.Throws<Refusal>(() => PublicKey.Parse(text));

    [Fact]
    public void A_short_RSA_key_is_refused()
    {
        var blob = new byte[] { 0, 0, 0, 7 }.Concat("ssh-rsa"u8.ToArray()).Concat(new byte[] { 0, 0, 0, 3, 1, 0, 1, 0, 0, 0, 129 }).Concat(new byte[129]).ToArray();
        Assert.Throws<Refusal>(() => PublicKey.Parse("ssh-rsa " + Convert.ToBase64String(blob)));
    }

    [Fact]
    public void A_key_belongs_to_one_user_or_one_project()
    {
        var told = 0;
        room.Keys.Changed += () => told++;
        room.Users.Add("alice");
        var key = room.Keys.Add(PublicKey.Parse(Ed25519), null, "alice", null, mayPush: true);

        Assert.Equal("a comment with spaces", key.Name);
        Assert.Throws<Refusal>(() => room.Keys.Add(PublicKey.Parse(Ed25519), "again", null, "local/shop", mayPush: true));
        Assert.Equal("alice", room.Gatekeeper.CallerOf(key)?.User);
        room.Users.Edit("alice", null, null, disabled: true);
        Assert.Null(room.Gatekeeper.CallerOf(key));
        Assert.True(room.Keys.Remove(key.Id));
        Assert.False(room.Keys.Remove(key.Id));
        Assert.Equal(2, told);
    }

    [Fact]
    public void A_deploy_key_is_good_for_its_project_and_fetches_unless_it_may_push()
    {
        var key = room.Keys.Add(PublicKey.Parse(Ed25519), "ci", null, "local/shop", mayPush: false);
        var caller = room.Gatekeeper.CallerOf(key)!;

        Assert.True(room.Gatekeeper.May(caller, Permission.View, "local/shop"));
        Assert.False(room.Gatekeeper.May(caller, Permission.Deploy, "local/shop"));
        Assert.False(room.Gatekeeper.May(caller, Permission.View, "local/other"));
        var pushing = room.Gatekeeper.CallerOf(key with { MayPush = true })!;
        Assert.True(room.Gatekeeper.May(pushing, Permission.Deploy, "local/shop"));
        Assert.False(room.Gatekeeper.May(pushing, Permission.CreateProject, "local/shop"));
    }
}

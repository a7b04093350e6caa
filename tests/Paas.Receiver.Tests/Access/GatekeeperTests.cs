using System.Net;
using Paas.Receiver.Storage;
using Xunit;

namespace Paas.Receiver.Access;

public sealed class GatekeeperTests : IDisposable
{
    static readonly IPAddress Here = IPAddress.Parse("192.0.2.1");
    static readonly IPAddress Elsewhere = IPAddress.Parse("192.0.2.2");

    readonly string directory = Directory.CreateTempSubdirectory("gate").FullName;
    readonly ManualTime time = new();
    readonly Database database;
    readonly AccessRoom room;
    readonly string secret;

    public GatekeeperTests()
    {
        database = Database.OpenOrCreate(Path.Combine(directory, "paas.db"));
        room = new AccessRoom(database, time);
        secret = Tokens.EnsureAdmin(null)!;
    }

    Tokens Tokens => room.Tokens;

    Gatekeeper Gatekeeper => room.Gatekeeper;

    public void Dispose()
    {
        room.Dispose();
        database.Dispose();
        Directory.Delete(directory, recursive: true);
    }

    [Fact]
    public async Task The_password_is_the_token_and_the_user_name_is_free()
    {
        foreach (var user in (string?[])["", null, "git", "anything at all"])
        {
            Assert.Equal("admin", (await Gatekeeper.IdentifyAsync(user, secret, Here, default))?.Name);
        }

        Assert.Equal("admin", (await Gatekeeper.IdentifyAsync(secret, "", Here, default))?.Name);
        Assert.Null(await Gatekeeper.IdentifyAsync("admin", "admin", Here, default));
        Assert.Null(await Gatekeeper.IdentifyAsync(secret, "wrong", Here, default));
    }

    [Fact]
    public async Task Ten_failures_in_a_minute_are_throttled_until_they_are_older()
    {
        for (var i = 0; i < Failures.Allowed; i++)
        {
            Assert.Null(await Try("wrong", Here));
            time.Advance(TimeSpan.FromSeconds(1));
        }

        var throttled = await Assert.ThrowsAsync<ThrottledException>(() => Try("wrong", Here));
        Assert.Equal(50, throttled.RetryAfterSeconds);

        time.Advance(throttled.RetryAfter);
        Assert.NotNull(await Try(secret, Here));
        Assert.Null(await Try("wrong", Here));
        await Assert.ThrowsAsync<ThrottledException>(() => Try("wrong", Here));
    }

    [Fact]
    public async Task A_valid_token_passes_whatever_others_tried_from_its_address()
    {
        await FailAsync(Here, Failures.Allowed);

        Assert.NotNull(await Try(secret, Elsewhere));
        Assert.NotNull(await Try(secret, Here));
        await Assert.ThrowsAsync<ThrottledException>(() => Try("wrong", Here));
    }

    [Fact]
    public async Task A_password_is_guessed_ten_times_a_minute_and_not_once_more()
    {
        room.Users.Add("alice");
        room.Users.SetPassword("alice", "correct horse battery");
        await FailAsync(Here, Failures.Allowed, "alice");

        await Assert.ThrowsAsync<ThrottledException>(() => Gatekeeper.IdentifyAsync("alice", "correct horse battery", Here, default));
        Assert.Equal("alice", (await Gatekeeper.IdentifyAsync("alice", "correct horse battery", Elsewhere, default))?.User);
        Assert.Equal(["throttled"], room.Audit.Newest(null, 10).Where(line => line.Action == "login").Select(line => line.Result));
    }

    [Fact]
    public async Task Slow_failures_are_never_throttled()
    {
        for (var i = 0; i < 50; i++)
        {
            Assert.Null(await Try("wrong", Here));
            time.Advance(TimeSpan.FromSeconds(6));
        }
    }

    [Fact]
    public async Task An_IPv6_network_counts_as_one_address_and_a_mapped_IPv4_as_itself()
    {
        for (var i = 0; i < Failures.Allowed; i++)
        {
            await Try("wrong", IPAddress.Parse($"2001:db8:1:2::{i + 1:x}"));
        }

        await Assert.ThrowsAsync<ThrottledException>(() => Try("wrong", IPAddress.Parse("2001:db8:1:2:ffff::1")));
        Assert.Null(await Try("wrong", IPAddress.Parse("2001:db8:1:3::1")));

        await FailAsync(Here, Failures.Allowed);
        await Assert.ThrowsAsync<ThrottledException>(() => Try("wrong", Here.MapToIPv6()));
    }

    [Fact]
    public void Tries_from_countless_addresses_take_bounded_memory_and_do_not_free_the_worst()
    {
        var failures = new Failures(time);
        for (var i = 0; i < 50_000; i++)
        {
            failures.Add(new IPAddress([10, (byte)(i >> 16), (byte)(i >> 8), (byte)i]));
            if (i % 100 == 0)
            {
                failures.Add(Here);
            }
        }

        Assert.InRange(failures.Count, 1, Failures.MostAddresses);
        Assert.NotNull(failures.Wait(Here));
    }

    [Fact]
    public async Task Many_wrong_tries_at_once_end_in_throttling()
    {
        var ends = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => Task.Run(async () =>
        {
            try
            {
                return await Try("wrong", Here) is null ? "refused" : "let in";
            }
            catch (ThrottledException)
            {
                return "throttled";
            }
        })));

        Assert.DoesNotContain("let in", ends);
        Assert.InRange(ends.Count(end => end == "refused"), Failures.Allowed, 50);
        await Assert.ThrowsAsync<ThrottledException>(() => Try("wrong", Here));
    }

    [Theory]
    [InlineData(Permission.View, true, true, false)]
    [InlineData(Permission.Deploy, true, true, false)]
    [InlineData(Permission.Configure, true, true, false)]
    [InlineData(Permission.CreateProject, true, false, false)]
    [InlineData(Permission.Administer, false, false, false)]
    internal void What_each_kind_of_caller_may(Permission permission, bool everyProject, bool ownProject, bool otherProject)
    {
        Assert.True(Gatekeeper.May(new Caller("root", IsAdmin: true), permission, "local/hello"));
        Assert.Equal(everyProject, Gatekeeper.May(new Caller("dev", IsAdmin: false), permission, "local/hello"));
        Assert.Equal(ownProject, Gatekeeper.May(new Caller("ci", IsAdmin: false, "local/hello"), permission, "local/hello"));
        Assert.Equal(otherProject, Gatekeeper.May(new Caller("ci", IsAdmin: false, "local/hello"), permission, "local/hello2"));
        Assert.Equal(otherProject, Gatekeeper.May(new Caller("ci", IsAdmin: false, "local/hello"), permission, "other/hello"));
        Assert.False(Gatekeeper.May(new Caller("ci", IsAdmin: false, "local/hello"), permission));
    }

    Task<Caller?> Try(string password, IPAddress from) => Gatekeeper.IdentifyAsync("x", password, from, default);

    async Task FailAsync(IPAddress from, int times, string user = "x")
    {
        for (var i = 0; i < times; i++)
        {
            Assert.Null(await Gatekeeper.IdentifyAsync(user, "wrong", from, default));
        }
    }
}

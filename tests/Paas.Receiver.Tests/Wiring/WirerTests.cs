using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Paas.Receiver.Access;
using Paas.Receiver.Notifications;
using Paas.Receiver.Processes;
using Paas.Receiver.Storage;
using Xunit;

namespace Paas.Receiver.Wiring;

/// <summary>The operator's dns and firewall hooks (R2.2, R13.4, R13.5), with the examples against a real BIND and real nftables.</summary>
public sealed class WirerTests : IDisposable
{
    static readonly string Examples = Path.Combine(AppContext.BaseDirectory, "hooks", "examples");

    readonly string directory = Directory.CreateTempSubdirectory("wires").FullName;
    readonly ManualTime time = new();
    readonly List<Wire> wanted = [];
    readonly HashSet<string> unsettled = [];
    readonly Database database;
    readonly List<IDisposable> opened = [];

    public WirerTests() => database = Database.OpenOrCreate(Path.Combine(directory, "paas.db"));

    string Calls => File.Exists(Path.Combine(directory, "calls")) ? File.ReadAllText(Path.Combine(directory, "calls")) : "";

    public void Dispose()
    {
        opened.ForEach(one => one.Dispose());
        database.Dispose();
        Directory.Delete(directory, recursive: true);
    }

    [Fact]
    public async Task What_is_wanted_is_added_once_and_what_is_wanted_no_more_is_removed_once()
    {
        var wirer = Open(new WiringOptions { DnsHook = Hook("exit 0"), FirewallHook = Hook("exit 0") });
        wanted.AddRange([new Wire(Wire.Dns, "*.example.org 192.0.2.1"), new Wire(Wire.Dns, "shop.example.com 192.0.2.1", "local/shop"), new Wire(Wire.Firewall, "tcp 443 192.0.2.1")]);
        await wirer.StepAsync(default);
        await wirer.StepAsync(default);
        Assert.Equal("add *.example.org 192.0.2.1\nadd shop.example.com 192.0.2.1\nadd tcp 443 192.0.2.1\n", Calls);
        Assert.All(new WireStore(database).List(), wire => Assert.Equal(("there", null), (wire.State, wire.Trouble)));

        // Another run of the receiver, whose projects are not up yet, takes nothing away.
        wanted.RemoveAt(1);
        unsettled.Add("local/shop");
        wirer = Open(new WiringOptions { DnsHook = Hook("exit 0"), FirewallHook = Hook("exit 0") });
        await wirer.StepAsync(default);
        Assert.DoesNotContain("remove", Calls, StringComparison.Ordinal);

        unsettled.Clear();
        await wirer.StepAsync(default);
        await wirer.StepAsync(default);
        Assert.EndsWith("add tcp 443 192.0.2.1\nremove shop.example.com 192.0.2.1\n", Calls, StringComparison.Ordinal);
        Assert.Equal(2, new WireStore(database).List().Count);
    }

    [Fact]
    public async Task A_hook_that_fails_is_recorded_told_of_once_and_called_again_while_the_others_go_on()
    {
        var wirer = Open(new WiringOptions { DnsHook = Hook($"case $2 in bad*) test -e '{directory}/mended' || {{ echo first >&2; echo 'the server said no' >&2; exit 3; }};; esac") });
        wanted.AddRange([new Wire(Wire.Dns, "bad.example.org 192.0.2.1"), new Wire(Wire.Dns, "good.example.org 192.0.2.1")]);
        await wirer.StepAsync(default);

        var states = new WireStore(database).List();
        Assert.Equal(("adding", 1, "exit code 3: the server said no"), (states[0].State, states[0].Tries, states[0].Trouble));
        Assert.Equal("there", states[1].State);
        await wirer.StepAsync(default); // not due yet
        Assert.Equal(1, new WireStore(database).List()[0].Tries);
        time.Advance(TimeSpan.FromSeconds(2));
        await wirer.StepAsync(default);
        Assert.Equal(2, new WireStore(database).List()[0].Tries);
        Assert.Single(database.Read<string>("SELECT id FROM notices"));

        await File.WriteAllTextAsync(Path.Combine(directory, "mended"), "");
        time.Advance(TimeSpan.FromSeconds(6));
        await Open(new WiringOptions { DnsHook = Hook($"test -e '{directory}/mended'") }).StepAsync(default);
        Assert.All(new WireStore(database).List(), wire => Assert.Equal(("there", null), (wire.State, wire.Trouble)));
    }

    [Theory]
    [InlineData("sleep 60", "it did not end within 1 seconds")]
    [InlineData("", "it cannot be started")]
    [InlineData("awk 'BEGIN { while (i++ < 1500000) print \"y\" }' >&2; exit 1", "exit code 1: y")]
    public async Task A_hook_that_hangs_is_gone_or_shouts_costs_its_own_try_alone(string script, string why)
    {
        var hook = Hook(script);
        var wirer = Open(new WiringOptions { DnsHook = hook, Patience = TimeSpan.FromSeconds(script.StartsWith("sleep", StringComparison.Ordinal) ? 1 : 30) });
        if (script.Length == 0)
        {
            File.Delete(hook);
        }

        wanted.Add(new Wire(Wire.Dns, "a.example.org 192.0.2.1"));
        await wirer.StepAsync(default);

        var trouble = Assert.Single(new WireStore(database).List()).Trouble!;
        Assert.True(why is "it cannot be started" ? trouble.Contains("exit code", StringComparison.Ordinal) || trouble.StartsWith(why, StringComparison.Ordinal) : trouble.StartsWith(why, StringComparison.Ordinal), trouble);
        Assert.True(trouble.Length < 600);
    }

    [Fact]
    public async Task Nsupdate_registers_names_at_a_real_name_server_and_takes_them_back()
    {
        await using var server = await NameServer.StartAsync(directory);
        var variables = new Dictionary<string, string>
        {
            ["PAAS_DNS_SERVER"] = $"127.0.0.1 {server.Port}",
            ["PAAS_DNS_ZONE"] = "example.org",
            ["PAAS_DNS_KEYFILE"] = server.WrongKey,
        };
        wanted.AddRange([new Wire(Wire.Dns, "*.example.org 192.0.2.7"), new Wire(Wire.Dns, "*.example.org 2001:db8::7")]);
        await Open(new WiringOptions { DnsHook = Path.Combine(Examples, "dns-nsupdate"), Variables = variables }).StepAsync(default);
        Assert.All(new WireStore(database).List(), wire => Assert.StartsWith("exit code ", wire.Trouble, StringComparison.Ordinal));
        Assert.Equal("", await server.AskAsync("shop.qa.example.org", "A"));

        time.Advance(TimeSpan.FromMinutes(1));
        variables["PAAS_DNS_KEYFILE"] = server.Key;
        var wirer = Open(new WiringOptions { DnsHook = Path.Combine(Examples, "dns-nsupdate"), Variables = variables });
        await wirer.StepAsync(default);
        Assert.Equal("192.0.2.7\n", await server.AskAsync("shop.qa.example.org", "A"));
        Assert.Equal("2001:db8::7\n", await server.AskAsync("shop.qa.example.org", "AAAA"));

        wanted.RemoveAt(0);
        await wirer.StepAsync(default);
        Assert.Equal("", await server.AskAsync("shop.qa.example.org", "A"));
        Assert.Equal("2001:db8::7\n", await server.AskAsync("shop.qa.example.org", "AAAA"));

        var hostile = await new Command(Path.Combine(Examples, "dns-nsupdate"), "add", "a.example.org 1 A 192.0.2.1\nsend\nupdate", "192.0.2.1").With(variables).RunAsync();
        Assert.Equal(2, hostile.ExitCode);
    }

    [Fact]
    public async Task Nftables_opens_ports_and_closes_them()
    {
        const string Rules = "add table inet filter; add set inet filter paas_ports { type inet_service; }";
        var hook = Path.Combine(Examples, "firewall-nft");
        var script = $"nft '{Rules}' || exit 77; '{hook}' add tcp 443 0.0.0.0 && '{hook}' add tcp 443 0.0.0.0 && '{hook}' add tcp 80 0.0.0.0 && '{hook}' remove tcp 443 0.0.0.0 && '{hook}' remove tcp 443 0.0.0.0 && nft list set inet filter paas_ports";

        // In a network of its own, so that nothing of this machine's is touched.
        var result = await new Command("unshare", "-rn", "sh", "-c", script).RunAsync();
        if (result.ExitCode == 77 || result.Error.Contains("unshare", StringComparison.Ordinal))
        {
            Console.WriteLine($"skipped: no network of our own here: {result.Error}");
            return;
        }

        Assert.True(result.ExitCode == 0, result.Error);
        Assert.Contains("elements = { 80 }", result.Output, StringComparison.Ordinal);
        Assert.NotEqual(0, (await new Command("unshare", "-rn", hook, "add", "tcp", "443", "0.0.0.0").RunAsync()).ExitCode); // no such set
        Assert.Equal(2, (await new Command(hook, "add", "tcp", "80 }; flush ruleset; {", "0.0.0.0").RunAsync()).ExitCode);
    }

    string Hook(string script)
    {
        var path = Path.Combine(directory, $"hook-{Guid.NewGuid():N}");
        File.WriteAllText(path, $"#!/bin/sh\necho \"$*\" >>'{directory}/calls'\n{script}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    Wirer Open(WiringOptions options)
    {
        var outbox = new Outbox(database, [], time, NullLogger<Outbox>.Instance);
        var wirer = new Wirer(
            new WireStore(database), options, () => new WantedWires([.. wanted], unsettled.ToHashSet()), outbox,
            new TellingOptions { Operators = [new Recipient("mail", "ops@example.org")] }, time, NullLogger<Wirer>.Instance);
        opened.AddRange([wirer, outbox]);
        return wirer;
    }

    /// <summary>A BIND of its own on a free port, with one zone that a TSIG key may change.</summary>
    sealed class NameServer(ChildProcess named, Task output, int port, string place) : IAsyncDisposable
    {
        public int Port => port;

        public string Key => Path.Combine(place, "right.key");

        public string WrongKey => Path.Combine(place, "wrong.key");

        public static async Task<NameServer> StartAsync(string directory)
        {
            var place = Directory.CreateDirectory(Path.Combine(directory, "named")).FullName;
            var key = await new Command("tsig-keygen", "paas").OutputAsync();
            await File.WriteAllTextAsync(Path.Combine(place, "right.key"), key);
            await File.WriteAllTextAsync(Path.Combine(place, "wrong.key"), await new Command("tsig-keygen", "paas").OutputAsync());
            await File.WriteAllTextAsync(Path.Combine(place, "zone"), "$TTL 60\n@ IN SOA ns.example.org. root.example.org. 1 60 60 60 60\n@ IN NS ns.example.org.\nns IN A 127.0.0.1\n");
            for (var tries = 0; ; tries++)
            {
                var port = FreePort();
                await File.WriteAllTextAsync(
                    Path.Combine(place, "named.conf"),
                    $$"""
                    {{key}}
                    options { directory "{{place}}"; listen-on port {{port}} { 127.0.0.1; }; listen-on-v6 { none; }; pid-file none; session-keyfile none; recursion no; dnssec-validation no; };
                    controls { };
                    zone "example.org" { type primary; file "zone"; allow-update { key paas; }; };
                    """);
                var named = new Command("named", "-g", "-c", Path.Combine(place, "named.conf")) { Directory = place }.Start();
                named.Input.Close();
                var (output, running) = (named.ReadAllAsync(named.Output), new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously));
                var errors = ReadAsync(named, running);
                if (await running.Task.WaitAsync(TimeSpan.FromSeconds(30)))
                {
                    return new NameServer(named, Task.WhenAll(output, errors), port, place);
                }

                await named.DisposeAsync();
                Assert.True(tries < 5, "named does not start");
            }
        }

        public async Task<string> AskAsync(string name, string type) =>
            await new Command("dig", "+short", "+time=2", "+tries=3", "@127.0.0.1", "-p", $"{port}", name, type).OutputAsync();

        public async ValueTask DisposeAsync()
        {
            named.Signal(PosixSignals.Kill);
            await named.WaitAsync();
            await output;
            await named.DisposeAsync();
        }

        static async Task ReadAsync(ChildProcess named, TaskCompletionSource<bool> running)
        {
            using var reader = new StreamReader(named.Error);
            while (await reader.ReadLineAsync() is { } line)
            {
                if (line.EndsWith(" running", StringComparison.Ordinal))
                {
                    running.TrySetResult(true);
                }
            }

            running.TrySetResult(false);
        }

        static int FreePort()
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            return ((IPEndPoint)socket.LocalEndPoint!).Port;
        }
    }
}

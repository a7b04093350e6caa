using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Issue 5, item 4: name servers hear of what answers here, and no deployment waits for them.</summary>
public sealed class NamesOutside
{
    [Fact]
    public async Task Names_are_registered_when_they_are_linked_and_taken_back_when_they_are_not_whatever_the_hook_does()
    {
        var place = Places.NewScratch("names");
        var (hook, calls) = (Path.Combine(place, "hook"), Path.Combine(place, "calls"));
        await File.WriteAllTextAsync(hook, $"#!/bin/sh\necho \"$* $PAAS_DNS_SERVER\" >>'{calls}'\ncase $2 in fails.*) exit 1;; esac\n");
        File.SetUnixFileMode(hook, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        await using var receiver = await ReceiverProcess.StartAsync(new Dictionary<string, string> { ["PAAS_DNS_HOOK"] = hook, ["PAAS_DNS_ADDRESS"] = "192.0.2.1", ["PAAS_DNS_SERVER"] = "here" });
        await CorpusCommand.RunAsync(receiver, "init_env", receiver.Address.ToString(), "staging", "--name", "qa");
        await CorpusCommand.RunAsync(receiver, "init", receiver.Address.ToString(), "qa", "shop");
        await CorpusCommand.RunAsync(receiver, "domains", "add", "fails.example.org", "qa/shop");
        await CorpusCommand.RunAsync(receiver, "domains", "add", "www.example.org", "qa/shop");
        await using var git = await GitClient.NewAsync(receiver, "qa/shop", "hello");
        Assert.True((await git.PushAsync()).Accepted);
        Assert.StartsWith("hello version 1 ", (await receiver.AskAsync("fails.example.org")).Body, StringComparison.Ordinal);

        await Patience.UntilAsync(() => Said(calls).IsSupersetOf(["add localhost 192.0.2.1 here", "add *.localhost 192.0.2.1 here", "add *.qa.localhost 192.0.2.1 here", "add www.example.org 192.0.2.1 here", "add fails.example.org 192.0.2.1 here"]), "all names are registered");
        var shown = (await CorpusCommand.RunAsync(receiver, "wiring")).Output;
        Assert.Matches("dns +www.example.org 192.0.2.1 +qa/shop +there", shown);
        Assert.Matches("dns +fails.example.org 192.0.2.1 +qa/shop +adding +exit code 1", shown);

        // A restart knows what it has said, and what is not up yet loses nothing.
        await receiver.StopAsync();
        var before = (await File.ReadAllLinesAsync(calls)).Count(line => line.Contains("www.example.org", StringComparison.Ordinal));
        await receiver.StartAgainAsync();
        Assert.Equal(0, (await CorpusCommand.RunAsync(receiver, "domains", "remove", "fails.example.org", "qa/shop")).Code);
        Assert.Equal(0, (await CorpusCommand.RunAsync(receiver, "domains", "add", "later.example.org", "qa/shop")).Code);
        await Patience.UntilAsync(() => Said(calls).IsSupersetOf(["remove fails.example.org 192.0.2.1 here", "add later.example.org 192.0.2.1 here"]), "the change is told");
        Assert.Equal(before, (await File.ReadAllLinesAsync(calls)).Count(line => line.Contains("www.example.org", StringComparison.Ordinal)));

        Assert.Equal(0, (await CorpusCommand.RunAsync(receiver, "destroy", receiver.Address.ToString(), "qa", "--yes")).Code);
        await Patience.UntilAsync(() => Said(calls).IsSupersetOf(["remove *.qa.localhost 192.0.2.1 here", "remove www.example.org 192.0.2.1 here", "remove later.example.org 192.0.2.1 here"]), "all is taken back");
        Directory.Delete(place, recursive: true);
    }

    static HashSet<string> Said(string calls) => File.Exists(calls) ? [.. File.ReadAllLines(calls)] : [];
}

using System.Net;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Issue 5, item 4: one receiver is a host of another (R2.2, R13.4, R15.2, R15.3).</summary>
public sealed class TwoReceivers
{
    [Fact]
    public async Task What_is_made_on_a_linked_host_is_pushed_to_there_and_seen_from_here_until_it_is_gone()
    {
        var told = Places.NewScratch("told");
        var command = Path.Combine(told, "command");
        await File.WriteAllTextAsync(command, $"#!/bin/sh\ncat >>'{told}/facts'; echo >>'{told}/facts'\n");
        File.SetUnixFileMode(command, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        await using var here = await ReceiverProcess.StartAsync(new Dictionary<string, string> { ["PAAS_NOTIFY_COMMAND"] = command });
        await using var paris = await ReceiverProcess.StartAsync();
        await File.WriteAllTextAsync(Path.Combine(here.Root, "token"), paris.Token);

        var linked = await CorpusCommand.RunAsync(here, "link_host", "paris", paris.Address.ToString(), "--token-file", "token");
        Assert.True(linked.Code == 0, linked.Error);
        var uuid = (await CorpusCommand.RunAsync(here, "init_env", here.Address.ToString(), "staging", "paris", "--name", "qa")).Output.Trim();
        var made = await CorpusCommand.RunAsync(here, "init", here.Address.ToString(), uuid, "shop");
        Assert.Contains($"code    {paris.Address}git/qa/shop.git", made.Output, StringComparison.Ordinal);
        Assert.Equal(0, (await CorpusCommand.RunAsync(here, "domains", "add", "shop.example.org", "qa@paris/shop")).Code);

        await using var git = await GitClient.NewAsync(paris, "qa/shop", "hello");
        var push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text);

        Assert.StartsWith("hello version 1 ", (await paris.AskAsync("shop.example.org")).Body, StringComparison.Ordinal);
        Assert.Matches("qa@paris/shop +v1 ", (await CorpusCommand.RunAsync(here, "status")).Output);
        Assert.Contains("v1 is live", (await CorpusCommand.RunAsync(here, "status", "shop", "-e", uuid)).Output, StringComparison.Ordinal);

        // A restart of the one that links forgets nothing; one that is gone is said to be.
        await here.StopAsync();
        await here.StartAgainAsync();
        Assert.Matches(" paris +reachable ", (await CorpusCommand.RunAsync(here, "listhosts")).Output);
        await paris.StopAsync();
        var (code, output, error) = await CorpusCommand.RunAsync(here, "listhosts");
        Assert.Equal(0, code);
        Assert.Matches(" here ", output);
        Assert.Matches(" paris +unreachable ", output);
        Assert.Contains("cannot be reached", error, StringComparison.Ordinal);
        Assert.Equal(3, (await CorpusCommand.RunAsync(here, "status", "shop", "-e", "qa@paris")).Code);

        await paris.StartAgainAsync();
        Assert.Equal(0, (await CorpusCommand.RunAsync(here, "destroy", here.Address.ToString(), "qa@paris", "--yes")).Code);
        Assert.Equal(HttpStatusCode.NotFound, (await paris.AskAsync("shop.example.org")).Status);
        await Patience.UntilAsync(() => File.Exists(Path.Combine(told, "facts")) && File.ReadAllText(Path.Combine(told, "facts")) is var facts
            && facts.Contains("host paris is linked", StringComparison.Ordinal) && facts.Contains("environment qa@paris is made", StringComparison.Ordinal), "the operator is told");
        Assert.DoesNotContain(paris.Token, await File.ReadAllTextAsync(Path.Combine(told, "facts")) + here.Output, StringComparison.Ordinal);
        Directory.Delete(told, recursive: true);
    }
}

using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus wiring</c>: the names and ports that the receiver's dns and firewall hooks were told of.</summary>
static class WiringCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var command = new Command("wiring", "Names and ports that the dns and firewall hooks were told of");
        command.SetAction((parsed, ct) => Listing.ShowAsync(parsed, "wiring", ContractJson.Default.PageWireSummary, ["KIND", "WHAT", "FOR", "STATE", "TROUBLE"], wire =>
            [wire.Kind, wire.Words, wire.Project ?? "-", wire.State, wire.Trouble is null ? "" : $"{wire.Trouble} (tried {wire.Tries} times, again at {Words.Time(wire.NextAt)})"], surroundings, ct));
        return command;
    }
}

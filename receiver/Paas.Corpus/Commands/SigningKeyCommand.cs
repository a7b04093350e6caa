using System.CommandLine;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus signing-key</c>: the public key of a receiver, for those that shall unpack what it cooks.</summary>
static class SigningKeyCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var command = new Command("signing-key", "The public key that a receiver signs its archives with, for PAAS_TRUSTED_KEYS of another");
        command.SetAction(async (parsed, ct) =>
        {
            using var client = new ReceiverClient(Target.Of(parsed, null, surroundings), surroundings);
            return await surroundings.PrintAsync(await client.GetTextAsync("api/v1/signing-key", ct));
        });
        return command;
    }
}

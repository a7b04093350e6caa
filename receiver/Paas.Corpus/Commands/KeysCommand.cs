using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus keys</c>, <c>keys add FILE</c>, <c>keys remove ID</c>: who comes by ssh.</summary>
static class KeysCommand
{
    const int LargestFile = 16_384;

    public static Command Create(Surroundings surroundings)
    {
        var command = new Command("keys", "The SSH keys that are let in") { Add(surroundings), Remove(surroundings) };
        command.SetAction((parsed, ct) => Listing.ShowAsync(parsed, "keys", ContractJson.Default.PageKeySummary, ["ID", "NAME", "FOR", "FINGERPRINT", "LAST USED"], key =>
            [$"{key.Id}", key.Name, key.User ?? $"{key.Project} ({(key.Push ? "push" : "fetch only")})", key.Fingerprint, Words.Time(key.UsedAt)], surroundings, ct));
        return command;
    }

    static Command Add(Surroundings surroundings)
    {
        var key = new Argument<string[]>("key") { Description = "A file such as ~/.ssh/id_ed25519.pub, or its line", HelpName = "KEY", Arity = ArgumentArity.OneOrMore };
        var name = new Option<string?>("--name") { Description = "What to call it (else its comment)", HelpName = "NAME" };
        var user = new Option<string?>("--user") { Description = "Whose it is (else yours)", HelpName = "USER" };
        var project = new Option<string?>("--project") { Description = "A deploy key, good for this project only", HelpName = "[ENV/]PROJECT" };
        var push = new Option<bool>("--push") { Description = "The deploy key may push as well as fetch" };
        var command = new Command("add", "Let a key in") { key, name, user, project, push };
        command.SetAction(async (parsed, ct) =>
        {
            var line = await LineAsync(string.Join(' ', parsed.GetRequiredValue(key)), surroundings, ct);
            using var client = new ReceiverClient(Target.Of(parsed, null, surroundings), surroundings);
            var added = await client.PostAsync(
                "api/v1/keys", new KeyOrder(line, parsed.GetValue(name), parsed.GetValue(user), parsed.GetValue(project), parsed.GetValue(push)),
                ContractJson.Default.KeyOrder, ContractJson.Default.KeySummary, ct);
            await surroundings.SayAsync(added!, ContractJson.Default.KeySummary, $"Key {added!.Id} ({added.Name}) {added.Fingerprint} lets in {added.User ?? added.Project}.");
            return Exit.Done;
        });
        return command;
    }

    static Command Remove(Surroundings surroundings)
    {
        var id = new Argument<long>("id") { Description = "As corpus keys shows it", HelpName = "ID" };
        var command = new Command("remove", "Let a key in no more") { id };
        command.SetAction(async (parsed, ct) =>
        {
            using var client = new ReceiverClient(Target.Of(parsed, null, surroundings), surroundings);
            await client.DeleteAsync($"api/v1/keys/{parsed.GetValue(id)}", ct);
            await surroundings.SayAsync($"Key {parsed.GetValue(id)} opens nothing any more.");
            return Exit.Done;
        });
        return command;
    }

    static async Task<string> LineAsync(string given, Surroundings surroundings, CancellationToken ct)
    {
        if (given.StartsWith("ssh-", StringComparison.Ordinal) || given.StartsWith("ecdsa-", StringComparison.Ordinal) || given.StartsWith("sk-", StringComparison.Ordinal))
        {
            return given;
        }

        // By ssh the command runs at the receiver: its files are nobody's to read.
        if (surroundings.Only is not null)
        {
            throw new CorpusException(Exit.Usage, "give the key itself: the line that begins with ssh-ed25519 or the like.");
        }

        var file = given.StartsWith("~/", StringComparison.Ordinal) ? Path.Combine(surroundings.Home, given[2..]) : Path.Combine(surroundings.Directory, given);
        try
        {
            return new FileInfo(file).Length <= LargestFile ? await File.ReadAllTextAsync(file, ct) : throw new CorpusException(Exit.Usage, $"{given} is too large for a key.");
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException)
        {
            throw new CorpusException(Exit.Usage, $"{given} cannot be read. A key is made by: ssh-keygen -t ed25519");
        }
    }
}

using System.CommandLine;
using System.Security.Cryptography;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus import [-e ENV] [PROJECT] FILE</c>: an archive that was made elsewhere becomes a release.</summary>
static class ImportCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var words = new Argument<string[]>("file") { Description = "The archive, behind the project's name where no repository says it", HelpName = "[PROJECT] FILE", Arity = new ArgumentArity(1, 2) };
        var commit = new Option<string?>("--commit") { Description = "The commit that it was made of, in full: a push of it to final mode takes this archive", HelpName = "SHA" };
        var deploy = new Option<bool>("--deploy") { Description = "Make it live at once, in final mode" };
        var command = new Command("import", "Take over an archive that was made elsewhere (.tar.gz, .tar.xz, .tar.zst, .zip) as a release") { words, commit, deploy };
        command.SetAction(async (parsed, ct) =>
        {
            var given = parsed.GetValue(words)!;
            var target = Target.Of(parsed, given.Length > 1 ? given[0] : null, surroundings);
            await using var file = Open(given[^1]);
            var digest = await SHA256.HashDataAsync(file, ct);
            file.Position = 0;
            using var client = new ReceiverClient(target, surroundings);
            var query = $"?deploy={(parsed.GetValue(deploy) ? "true" : "false")}{(parsed.GetValue(commit) is { } sha ? $"&commit={Uri.EscapeDataString(sha)}" : "")}";
            var accepted = await client.SendFileAsync($"{target.Path}/releases/import{query}", file, digest, ct);
            return await LongWork.FollowAsync(client, accepted, surroundings, ct);
        });
        return command;
    }

    static FileStream Open(string path)
    {
        try
        {
            return File.OpenRead(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CorpusException(Exit.Failed, $"{path} cannot be read: {e.Message}");
        }
    }
}

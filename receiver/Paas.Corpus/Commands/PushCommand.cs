using System.CommandLine;
using System.Diagnostics;
using System.Text;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus push ENDPOINT ENV PROJECT</c> (R15.5): first the pillar, then the code, with the real git, whose exit code it is.</summary>
static class PushCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var (endpoint, environment) = (CommandLine.EndpointArgument(), CommandLine.EnvironmentArgument());
        var project = new Argument<string>("project") { Description = "The project's name", HelpName = "PROJECT" };
        var pillar = new Option<string?>("--pillar") { Description = "The pillar's work tree (else ./pillar, where that is a repository of its own)", HelpName = "DIR" };
        var source = new Option<string>("--ref") { Description = "What to push (else what is checked out)", HelpName = "REF", DefaultValueFactory = _ => "HEAD" };
        var branch = new Option<string>("--branch") { Description = "The branch that deploys there", HelpName = "BRANCH", DefaultValueFactory = _ => "main" };
        var options = new Option<string[]>("--push-option", "-o") { Description = "Handed on to git push -o: async, rebuild and so on; may be repeated", HelpName = "OPTION" };
        var command = new Command("push", "Push the pillar, then this directory's code, and follow the deployment") { endpoint, environment, project, pillar, source, branch, options };
        command.SetAction(async (parsed, ct) =>
        {
            if (surroundings.Only is not null)
            {
                throw new CorpusException(Exit.Usage, "this is the receiver: push from where the code is.");
            }

            var target = Target.At(parsed.GetRequiredValue(endpoint), surroundings, parsed.GetValue(environment), parsed.GetValue(project));
            var inEnvironment = target.Environment is null or "-" ? "" : Uri.EscapeDataString(target.Environment) + "/";
            var address = new Uri(target.Endpoint, $"git/{inEnvironment}{Uri.EscapeDataString(target.Project!)}").ToString();
            if (PillarOf(parsed.GetValue(pillar), surroundings) is { } configuration)
            {
                var stored = await PushAsync(configuration, $"{address}/pillar.git", "HEAD:refs/heads/main", [], target, surroundings, ct);
                if (stored != 0)
                {
                    throw new CorpusException(Exit.Failed, "the pillar was not taken; the code is not pushed.");
                }
            }

            var code = await PushAsync(
                surroundings.Directory, $"{address}.git", $"{parsed.GetValue(source)}:refs/heads/{parsed.GetValue(branch)}", parsed.GetValue(options) ?? [], target, surroundings, ct);
            if (surroundings.Json)
            {
                await surroundings.WriteJsonAsync(new Happening("outcome") { Succeeded = code == 0, ExitCode = code }, CorpusJson.Default.Happening);
            }

            return code == 0 ? Exit.Done : surroundings.Fail(new CorpusException(Exit.Failed, "git has not pushed it.", $"corpus status {NextCommand.Named(target)}"));
        });
        return command;
    }

    static string? PillarOf(string? given, Surroundings surroundings)
    {
        if (given is not null)
        {
            var directory = Path.Combine(surroundings.Directory, given);
            return Directory.Exists(directory) ? directory : throw new CorpusException(Exit.Usage, $"there is no directory {given}.");
        }

        var beside = Path.Combine(surroundings.Directory, "pillar");
        return Path.Exists(Path.Combine(beside, ".git")) ? beside : null;
    }

    static async Task<int> PushAsync(string directory, string url, string refspec, IReadOnlyList<string> options, Target target, Surroundings surroundings, CancellationToken ct)
    {
        var start = new ProcessStartInfo("git") { WorkingDirectory = directory };
        foreach (var word in (string[])["push", .. options.SelectMany(option => (string[])["-o", option]), "--", url, refspec])
        {
            start.ArgumentList.Add(word);
        }

        if (target.Token is { } token)
        {
            // Neither on the command line nor in the URL: both are read by others on the machine, and git prints the URL.
            start.Environment["GIT_CONFIG_COUNT"] = "1";
            start.Environment["GIT_CONFIG_KEY_0"] = $"http.{target.Endpoint}.extraHeader";
            start.Environment["GIT_CONFIG_VALUE_0"] = $"Authorization: Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes($"{target.User ?? "corpus"}:{token}"))}";
        }

        return await surroundings.RunHereAsync(start, toError: true, ct);
    }
}

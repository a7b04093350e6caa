using System.CommandLine;
using System.Diagnostics;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus shell [PROJECT]</c>: a shell in the live release, at this terminal; the real ssh brings it, with your key.</summary>
static class ShellCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var project = CommandLine.ProjectArgument();
        var release = new Option<string?>("--release") { Description = "In this release, such as v12 (else the live one)", HelpName = "vN" };
        var command = new Command("shell", "A shell in a release, by ssh with your key") { project, release };
        command.SetAction(async (parsed, ct) =>
        {
            if (surroundings.Json)
            {
                throw new CorpusException(Exit.Usage, "a shell speaks no JSON; one command does.", "corpus run --json -- COMMAND");
            }

            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            await client.GetAsync(target.Path, ContractJson.Default.ProjectStatus, ct);
            var there = await client.GetAsync(target.EnvironmentPath, ContractJson.Default.EnvironmentSummary, ct);
            if (!Uri.TryCreate(there.Ssh, UriKind.Absolute, out var ssh) || ssh.Scheme != "ssh" || ssh.Host.Length == 0 || ssh.Host.StartsWith('-'))
            {
                throw new CorpusException(Exit.Failed, $"{target.Endpoint.Authority} lets nobody in by ssh (PAAS_SSH_LISTEN there).", $"corpus run {NextCommand.Named(target)} -- COMMAND");
            }

            var line = ArgumentsOf(ssh, $"{there.Name.Split('@')[0]}/{target.Project}", parsed.GetValue(release) is { } text ? Words.ReleaseNumber(text) : null);
            if (!surroundings.IsTheProcess)
            {
                throw new CorpusException(Exit.Usage, "a shell needs your own terminal.", $"ssh {string.Join(' ', line)}");
            }

            using var shell = Answers.Started(new ProcessStartInfo("ssh", line) { UseShellExecute = false });
            await shell.WaitForExitAsync(CancellationToken.None);
            return shell.ExitCode;
        });
        return command;
    }

    /// <summary>ssh's own: it hands the words behind the host to the receiver in one line.</summary>
    public static IReadOnlyList<string> ArgumentsOf(Uri ssh, string project, int? release) =>
    [
        "-t", "-p", ssh.Port > 0 ? $"{ssh.Port}" : "22", .. ssh.UserInfo.Length > 0 ? (string[])["-l", Uri.UnescapeDataString(ssh.UserInfo)] : [],
        "--", ssh.Host, "shell", .. release is { } number ? (string[])["--release", $"v{number}"] : [], project,
    ];
}

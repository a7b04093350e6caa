using System.CommandLine;
using System.Diagnostics;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus check</c> and <c>corpus itest</c>: PaaSTA's contract (reference 3.5), what it wants of the source here and of the configuration there.</summary>
static class CheckCommand
{
    /// <summary>What <c>make --question</c> answers for a target that is not there.</summary>
    const int NoSuchTarget = 2;

    static readonly string[] Targets = ["cook-image", "itest", "test"];

    public static Command Create(Surroundings surroundings)
    {
        var project = CommandLine.ProjectArgument();
        var command = new Command("check", "Look whether this source and its configuration keep PaaSTA's contract. Exit: 0 they do, 1 they do not") { project };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, ServiceCommands.Stripped(parsed.GetValue(project)), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var there = await client.GetAsync($"{target.Path}/check", ContractJson.Default.PageCheckFinding, ct);

            // Over ssh there is no source: what is here is the receiver.
            var found = there.Items.Concat(surroundings.Only is null ? await SourceAsync(surroundings, ct) : []).ToList();
            if (surroundings.Json)
            {
                await surroundings.WriteJsonAsync(new Page<CheckFinding>(found), ContractJson.Default.PageCheckFinding);
            }
            else
            {
                foreach (var finding in found)
                {
                    await surroundings.Out.WriteLineAsync($"{(finding.Good ? "ok" : "NO")}  {finding.Text}");
                }
            }

            return found.TrueForAll(finding => finding.Good) ? Exit.Done : Exit.Failed;
        });
        return command;
    }

    public static Command CreateItest(Surroundings surroundings)
    {
        var (service, commit) = (ServiceCommands.Service(), ServiceCommands.Commit(required: true));
        var version = new Option<string?>("--image-version") { Description = "A suffix of the image's tag", HelpName = "VERSION" };
        var timeout = new Option<int>("--timeout") { Description = "Seconds", HelpName = "SECONDS", DefaultValueFactory = _ => 3600 };
        var command = new Command("itest", "Run 'make itest' here with DOCKER_TAG, and see that it made exactly that image. Exit: 0 it did, 1 it did not") { service, commit, version, timeout };
        command.SetAction(async (parsed, ct) =>
        {
            if (surroundings.Only is not null)
            {
                throw new CorpusException(Exit.Usage, "itest runs where the source is; this is the receiver.");
            }

            var name = (ServiceCommands.Stripped(parsed.GetValue(service)) ?? Target.Of(parsed, null, surroundings).Project)?.Split('/')[^1]
                ?? throw new CorpusException(Exit.Usage, "which service? Give -s, or run this where a git remote leads to one.");
            var tag = $"services-{name}:paasta-{parsed.GetValue(commit)}{(parsed.GetValue(version) is { } suffix ? $"-{suffix}" : "")}";
            if (await RunAsync(surroundings, "make", ["--question", "itest"], tag, ct) == NoSuchTarget)
            {
                throw new CorpusException(Exit.Failed, "the Makefile has no target itest.");
            }

            using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
            limit.CancelAfter(TimeSpan.FromSeconds(parsed.GetValue(timeout)));
            try
            {
                if (await RunAsync(surroundings, "make", ["itest"], tag, limit.Token, passOn: true) is var code and not 0)
                {
                    throw new CorpusException(Exit.Failed, $"make itest ended with exit code {code}.");
                }
            }
            catch (OperationCanceledException) when (!ct.IsCancellationRequested)
            {
                throw new CorpusException(Exit.Failed, $"make itest took longer than {parsed.GetValue(timeout)} s and was ended.");
            }

            if (await RunAsync(surroundings, "docker", ["image", "inspect", tag], tag, ct) == 0)
            {
                await surroundings.HintAsync($"{tag} is made.");
                return Exit.Done;
            }

            throw new CorpusException(Exit.Failed, $"itest has not created {tag}.");
        });
        return command;
    }

    static async Task<IReadOnlyList<CheckFinding>> SourceAsync(Surroundings surroundings, CancellationToken ct)
    {
        var found = new List<CheckFinding>
        {
            File.Exists(Path.Combine(surroundings.Directory, "Dockerfile")) ? new(true, "a Dockerfile is here") : new(false, "there is no Dockerfile here"),
        };
        var file = Path.Combine(surroundings.Directory, "Makefile");
        if (!File.Exists(file))
        {
            found.Add(new(false, "there is no Makefile here"));
            return found;
        }

        var text = await File.ReadAllTextAsync(file, ct);
        found.Add(text.Contains('\t', StringComparison.Ordinal) ? new(true, "the Makefile has a tab in it") : new(false, "the Makefile has no tab in it, so no target of it does anything"));
        found.Add(text.Split('\n').Any(line => line.TrimStart().StartsWith("DOCKER_TAG", StringComparison.Ordinal) && line.Contains("?=", StringComparison.Ordinal))
            ? new(true, "the Makefile has a default for DOCKER_TAG (DOCKER_TAG ?= …)") : new(false, "the Makefile has no default for DOCKER_TAG (DOCKER_TAG ?= …)"));
        foreach (var target in Targets)
        {
            found.Add(await RunAsync(surroundings, "make", ["--question", target], null, ct) == NoSuchTarget
                ? new(false, $"the Makefile has no target {target}") : new(true, $"the Makefile has a target {target}"));
        }

        return found;
    }

    /// <summary>In this directory, to its end; its exit code.</summary>
    static async Task<int> RunAsync(Surroundings surroundings, string program, IReadOnlyList<string> arguments, string? tag, CancellationToken ct, bool passOn = false)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = surroundings.Directory, UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        if (tag is not null)
        {
            start.Environment["DOCKER_TAG"] = tag;
        }

        if (passOn)
        {
            return await surroundings.RunHereAsync(start, toError: false, ct);
        }

        using var process = Answers.Started(start);
        try
        {
            // Both at once: a full pipe on one side must never stop the other.
            await Task.WhenAll(process.StandardOutput.BaseStream.CopyToAsync(Stream.Null, ct), process.StandardError.BaseStream.CopyToAsync(Stream.Null, ct));
            await process.WaitForExitAsync(ct);
            return process.ExitCode;
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }
}

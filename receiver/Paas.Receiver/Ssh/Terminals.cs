using Paas.Receiver.Access;
using Paas.Receiver.Deployments;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;

namespace Paas.Receiver.Ssh;

/// <summary><c>shell</c> and <c>run</c>: a command in the environment and the cage of a project's live release, at the visitor's own terminal.</summary>
sealed class Terminals(ProjectStore projects, Gatekeeper gatekeeper, ReleaseStore releases, Launches launches, Fleet fleet, AuditLog audit)
{
    /// <summary>The default environment's root.</summary>
    public string Root => projects.Default.Root;

    /// <summary><c>shell [-e ENV] PROJECT</c>, <c>run [-e ENV] PROJECT -- COMMAND…</c></summary>
    public async Task<int> RunAsync(Visit visit, Caller caller, IReadOnlyList<string> words, VisitAnswer answer, CancellationToken ct)
    {
        var wish = Read(words);
        var project = Find(wish.Project, wish.Environment, caller);
        var release = ReleaseOf(wish, project);
        if (wish.Command is null && !visit.HasTerminal)
        {
            throw new Refusal("A shell needs a terminal: ssh -t. For one command there is run PROJECT -- COMMAND.");
        }

        var launch = await launches.OfAsync(release, ct);
        launch = launch with { Environment = With(launch.Environment, visit, release) };
        await using var prepared = fleet.Prepare(launch, wish.Command ?? Shell());
        var code = await answer.RunThereAsync(prepared.Command, ct);

        // The program's name only: what follows it may hold a secret.
        audit.Add(new AuditEntry(
            caller.Name, caller.Credential, visit.From.ToString(), words[0], project.Key, code.ToString(), $"{release}{(wish.Command is null ? "" : $": {wish.Command[0]}")}"));
        return code;
    }

    public static IReadOnlyList<string> Shell() => File.Exists("/bin/bash") ? ["/bin/bash", "--noprofile", "--norc", "-i"] : ["/bin/sh", "-i"];

    /// <summary>As the visitor's own terminal wants it.</summary>
    public static Dictionary<string, string> With(IReadOnlyDictionary<string, string> environment, Visit visit, Release release)
    {
        var all = new Dictionary<string, string>(environment);
        if (visit.HasTerminal)
        {
            all["TERM"] = visit.Terminal.Length > 0 ? visit.Terminal : "dumb";
            all["PS1"] = $"{release.Project.Name} v{release.Number} \\w \\$ ";
        }

        if (visit.Language.Length > 0)
        {
            all["LANG"] = visit.Language;
        }

        return all;
    }

    Release ReleaseOf(Wish wish, Project project)
    {
        if (wish.Release is null)
        {
            return releases.Current(project) ?? throw new Refusal($"Nothing of {project.Name} is live yet. Push something first.");
        }

        return wish.Release.StartsWith('v') && int.TryParse(wish.Release.AsSpan(1), out var number) && releases.List(project).FirstOrDefault(one => one.Number == number) is { Pruned: false } found
            ? found : throw new Refusal($"{project.Name} has no release {wish.Release}.");
    }

    static Wish Read(IReadOnlyList<string> words)
    {
        var isShell = words[0] == "shell";
        var end = isShell ? words.Count : words.ToList().IndexOf("--");
        var (project, environment, release) = ((string?)null, (string?)null, (string?)null);
        for (var i = 1; i < (end < 0 ? words.Count : end); i++)
        {
            var isLast = i + 1 >= (end < 0 ? words.Count : end);
            switch (words[i])
            {
                case "-e" or "--environment" when !isLast && environment is null:
                    environment = words[++i];
                    break;
                case "--release" when !isLast && release is null:
                    release = words[++i];
                    break;
                case var word when project is null && !word.StartsWith('-'):
                    project = word;
                    break;
                default:
                    throw Usage();
            }
        }

        var command = isShell ? null : end < 0 ? [] : words.Skip(end + 1).ToList();
        return project is not null && (command is null || (command.Count > 0 && command[0].Length > 0)) ? new Wish(project, environment, release, command) : throw Usage();

        Refusal Usage() => new(isShell ? "Usage: shell [-e ENV] [--release vN] PROJECT" : "Usage: run [-e ENV] [--release vN] PROJECT -- COMMAND...");
    }

    /// <exception cref="Refusal">It is not there, not to be seen, or not to be gone into by this caller.</exception>
    public Project Find(string wanted, string? inEnvironment, Caller caller)
    {
        var parts = wanted.Split('/');
        var named = inEnvironment ?? (parts.Length == 2 ? parts[0] : null);
        EnvironmentName? environment = null;
        if (parts.Length > 2 || !ProjectName.TryParse(parts[^1], out var name) || (named is not null && !EnvironmentName.TryParse(named, out environment))
            || projects.Find(environment, name) is not { } project || !gatekeeper.May(caller, Permission.View, project))
        {
            throw new Refusal($"There is no project '{wanted}'.");
        }

        // Whoever is inside reads the configuration and can change the data.
        return gatekeeper.May(caller, Permission.Deploy, project) && gatekeeper.May(caller, Permission.Configure, project)
            ? project : throw new Refusal($"You may not do this with {project.Key}.");
    }

    /// <param name="Command">Null is a shell.</param>
    sealed record Wish(string Project, string? Environment, string? Release, IReadOnlyList<string>? Command);
}

using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus status [PROJECT]</c>: what a project is doing; without one, the list of them.</summary>
static class StatusCommand
{
    /// <summary>Nine tenths of a gigabyte, in bytes.</summary>
    const long NearlyFull = 900_000_000;

    public static Command Create(Surroundings surroundings)
    {
        var project = CommandLine.ProjectArgument();
        var verify = new Option<bool>("--verify") { Description = "Read every file of the live release and compare it with what was sealed" };
        var command = new Command("status", "What a project is doing; without a project, the list of them") { project, verify };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var text = await client.GetTextAsync(target.Project is null ? "api/v1/projects" : target.Path + (parsed.GetValue(verify) ? "?verify=true" : ""), ct);
            if (surroundings.Json)
            {
                await surroundings.Out.WriteLineAsync(text);
            }
            else if (target.Project is null)
            {
                var page = client.Read(text, ContractJson.Default.PageProjectSummary);
                Show(page, surroundings.Out);
                Listing.Warn(page.Missing, surroundings);
            }
            else
            {
                Show(client.Read(text, ContractJson.Default.ProjectStatus), surroundings.Out);
            }

            return Exit.Done;
        });
        return command;
    }

    static void Show(Page<ProjectSummary> projects, TextWriter output) =>
        Table.Write(output, [["PROJECT", "RELEASE", "URL"], .. projects.Items.Select(project =>
            (string[])[$"{project.Environment}/{project.Name}", Words.Release(project.Release), project.Url])]);

    static void Show(ProjectStatus status, TextWriter output)
    {
        output.WriteLine($"{status.Environment}/{status.Name} ({status.Mode})");
        output.WriteLine($"  {status.Url}");
        output.WriteLine(status.Current is { } current
            ? $"  v{current.Number} is live since {Words.Time(current.LiveAt)}, commit {Words.Commit(current.Commit)}"
            : "  nothing is live yet");
        if (status.Drift is { } drift)
        {
            output.WriteLine($"  changed past the receiver: {string.Join(", ", drift)}; the next push keeps the difference as a patch");
        }

        if (status.FixedBy is { } fixing)
        {
            output.WriteLine($"  {fixing} is fixing it by hand just now");
        }

        if (status.Space is { } space)
        {
            var near = space.Bytes >= space.QuotaGigabytes * NearlyFull;
            output.WriteLine($"  {(near ? "! " : "")}takes {Words.Bytes(space.Bytes)} of {space.QuotaGigabytes} GB (counted {Words.Time(space.CountedAt)})");
        }

        if (status.Current?.ArchiveTrouble is { } trouble)
        {
            output.WriteLine($"  ! {trouble}");
        }

        foreach (var type in status.Instances.GroupBy(instance => instance.Type, StringComparer.Ordinal))
        {
            output.WriteLine($"  {type.Key}: {string.Join(", ", type.GroupBy(instance => instance.State, StringComparer.Ordinal).Select(state => $"{state.Count()} {state.Key}"))}");
        }

        foreach (var loop in status.Instances.Where(instance => instance.Crashes >= PsCommand.Loop))
        {
            output.WriteLine($"  {loop.Type}.{loop.Number}{(loop.Release is { } number ? $" of v{number}" : "")} ends again and again: {PsCommand.State(loop)}");
        }

        if (status.Running is { } running)
        {
            output.WriteLine($"  running: {Line(running)}");
        }

        foreach (var waiting in status.Waiting)
        {
            output.WriteLine($"  waiting: {Line(waiting)}");
        }

        if (status.Last is { } last)
        {
            output.WriteLine($"  last: {Line(last)}, {last.Outcome}{(last.Failure is null ? "" : $": {last.Failure}")}");
        }
    }

    static string Line(DeploymentSummary deployment) =>
        $"{deployment.Kind} by {deployment.By} at {Words.Time(deployment.AskedAt)}{(deployment.Commit is null ? "" : $", commit {Words.Commit(deployment.Commit)}")}";
}

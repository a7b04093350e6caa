using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus pipeline [PROJECT]</c>, <c>pipeline start</c>, <c>approve</c>, <c>abort</c>: a service's <c>deploy.yaml</c>.</summary>
static class PipelineCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var project = CommandLine.ProjectArgument();
        var command = new Command("pipeline", "The runs of a service's pipeline (deploy.yaml), newest first")
        {
            project,
            Verb("start", "", "Run it: mark the commit for one stage after the other", surroundings),
            Verb("approve", "/approve", "Go on with the run that waits", surroundings),
            Verb("abort", "/abort", "Begin no further step", surroundings),
        };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var text = await client.GetTextAsync($"{target.Path}/pipeline", ct);
            if (surroundings.Json)
            {
                await surroundings.Out.WriteLineAsync(text);
                return Exit.Done;
            }

            var runs = client.Read(text, ContractJson.Default.PagePipelineSummary).Items;
            if (runs.Count == 0)
            {
                await surroundings.HintAsync($"No pipeline of {target.Project} has run yet. To run it: corpus pipeline start");
            }

            foreach (var run in runs)
            {
                await SayAsync(run, surroundings);
            }

            return Exit.Done;
        });
        return command;
    }

    static Command Verb(string name, string path, string description, Surroundings surroundings)
    {
        var (project, commit) = (CommandLine.ProjectArgument(), ServiceCommands.Commit(required: false));
        var command = new Command(name, description) { project };
        if (name == "start")
        {
            command.Add(commit);
        }

        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var order = new PipelineOrder(name == "start" ? parsed.GetValue(commit) : null);
            await SayAsync((await client.PostAsync($"{target.Path}/pipeline{path}", order, ContractJson.Default.PipelineOrder, ContractJson.Default.PipelineSummary, ct))!, surroundings);
            return Exit.Done;
        });
        return command;
    }

    static Task SayAsync(PipelineSummary run, Surroundings surroundings) => surroundings.SayAsync(
        run, ContractJson.Default.PipelineSummary,
        $"{run.Id}  {Words.Commit(run.Commit)}  {run.State}{(run.Detail is { } detail ? $" ({detail})" : "")}  "
        + string.Join(" > ", run.Stages.Select((stage, index) => index < run.Stage ? $"[{stage}]" : stage)));
}

using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus task PROJECT NAME</c>: one of the project's own one-off tasks, <c>.paas/hooks/task_NAME</c>.</summary>
static class TaskCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var project = new Argument<string>("project") { Description = "Name, or ENV/NAME", HelpName = "PROJECT" };
        var task = new Argument<string>("task") { Description = "The NAME of .paas/hooks/task_NAME", HelpName = "NAME" };
        var command = new Command("task", "Run one of the project's own tasks in the live release; no deployment, no backup") { project, task };
        command.SetAction(async (parsed, ct) =>
        {
            var name = parsed.GetValue(task)!;
            name = name.StartsWith("task_", StringComparison.Ordinal) ? name["task_".Length..] : name;
            if (name.Length == 0 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-'))
            {
                throw new CorpusException(Exit.Usage, "A task's name has letters, digits, '_' and '-'.");
            }

            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var accepted = await client.PostAsync($"{target.Path}/tasks/{Uri.EscapeDataString(name)}", new TaskOrder(), ContractJson.Default.TaskOrder, ContractJson.Default.AcceptedWork, ct);
            return await LongWork.FollowAsync(client, accepted!, surroundings, ct);
        });
        return command;
    }
}

using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary>PaaSTA's verbs with PaaSTA's options and exit codes (reference 3.10), for scripts and people who know them.</summary>
static class ServiceCommands
{
    /// <summary>What an error of ours is to PaaSTA's scripts where 1 means a mark that failed or was abandoned.</summary>
    const int Errored = 2;

    const int Listed = 10;

    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    public static IEnumerable<Command> Create(Surroundings surroundings) => [Mark(surroundings), WaitFor(surroundings), Groups(surroundings)];

    /// <summary>PaaSTA's options on <c>corpus rollback</c>: then it marks, where it otherwise brings back a release.</summary>
    public static async Task<int> RollBackAsync(ParseResult parsed, string? project, string? groups, bool all, string? commit, bool force, Surroundings surroundings, CancellationToken ct)
    {
        var target = Target.Of(parsed, Stripped(project), surroundings);
        using var client = new ReceiverClient(target, surroundings);
        var known = (await client.GetAsync($"{target.Path}/groups", ContractJson.Default.PageDeployGroupSummary, ct)).Items;
        var wanted = all ? known : [.. (groups ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Select(name => known.FirstOrDefault(group => group.Name == name) ?? throw new CorpusException(Exit.Failed, $"there is no deploy group '{name}': there are {string.Join(", ", known.Select(group => group.Name))}."))];
        var marks = wanted.SelectMany(group => group.Marks.Select(mark => (Group: group.Name, Mark: mark))).OrderByDescending(one => one.Mark.Stamp, StringComparer.Ordinal).ToList();
        if (commit is null)
        {
            if (surroundings.Json)
            {
                await surroundings.WriteJsonAsync(new Page<DeployGroupSummary>(wanted), ContractJson.Default.PageDeployGroupSummary);
                return surroundings.Fail(new CorpusException(Exit.Failed, "give a commit with -k."));
            }

            await surroundings.Out.WriteLineAsync("Give a commit with -k. The last ones:");
            foreach (var (group, mark) in marks.Take(Listed))
            {
                await surroundings.Out.WriteLineAsync($"  {mark.Stamp}  {group}  {mark.Commit}{(mark.ImageVersion is { } version ? $" {version}" : "")}{(mark.RolledBack ? "  (was rolled back)" : "")}");
            }

            return Exit.Failed;
        }

        foreach (var group in wanted)
        {
            if (!force && !group.Marks.Any(mark => mark.Commit.StartsWith(commit, StringComparison.Ordinal)))
            {
                throw new CorpusException(Exit.Failed, $"{commit} was never marked for {group.Name} (of the last {Listed}): -f marks it all the same.");
            }

            var full = group.Marks.FirstOrDefault(mark => mark.Commit.StartsWith(commit, StringComparison.Ordinal))?.Commit ?? commit;
            await MarkAsync(client, target, new MarkOrder(group.Name, full, RolledBackFrom: group.Commit == full ? null : group.Commit), surroundings, ct);
        }

        await surroundings.HintAsync("The commits that were rolled back must be reverted in the repository too, or the next push deploys them again.");
        return Exit.Done;
    }

    static Command Mark(Surroundings surroundings)
    {
        var (service, group, commit) = (Service(), Group(), Commit(required: true));
        var version = new Option<string?>("--image-version", "-i") { Description = "A suffix of the image's tag", HelpName = "VERSION" };
        var wait = new Option<bool>("--wait-for-deployment") { Description = "Return when it is deployed everywhere, or has failed" };
        var timeout = Timeout(10_800);
        var rollback = new Option<bool>("--auto-rollback") { Description = "With --wait-for-deployment: mark the commit before it again when it fails" };
        var command = new Command("mark-for-deployment", "Mark a commit for a deploy group. Exit: 0 marked (or deployed), 1 not marked or failed, 2 time is up") { service, group, commit, version, wait, timeout, rollback };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, Stripped(parsed.GetValue(service)), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var name = parsed.GetRequiredValue(group);
            var before = parsed.GetValue(rollback) ? (await FindAsync(client, target, name, ct))?.Commit : null;
            var made = await MarkAsync(client, target, new MarkOrder(name, parsed.GetRequiredValue(commit), parsed.GetValue(version)), surroundings, ct);
            if (!parsed.GetValue(wait) && !parsed.GetValue(rollback))
            {
                return Exit.Done;
            }

            var code = await WaitAsync(client, target, name, made.Commit, parsed.GetValue(timeout), surroundings, ct);
            if (code != Exit.Done && before is not null && before != made.Commit)
            {
                surroundings.Warn($"rolling back to {Words.Commit(before)}");
                await MarkAsync(client, target, new MarkOrder(name, before, RolledBackFrom: made.Commit), surroundings, ct);
            }

            return code;
        });
        return command;
    }

    static Command WaitFor(Surroundings surroundings)
    {
        var (service, group, commit, timeout) = (Service(), Group(), Commit(required: true), Timeout(3600));
        var command = new Command("wait-for-deployment", "Wait until a deploy group has the commit it is marked with. Exit: 0 it has, 1 it has not") { service, group, commit, timeout };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, Stripped(parsed.GetValue(service)), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var code = await WaitAsync(client, target, parsed.GetRequiredValue(group), parsed.GetRequiredValue(commit)!, parsed.GetValue(timeout), surroundings, ct);
            return code == Errored ? Exit.Failed : code;
        });
        return command;
    }

    static Command Groups(Surroundings surroundings)
    {
        var project = CommandLine.ProjectArgument();
        var command = new Command("groups", "A service's deploy groups: what each is marked with, and how far that is") { project };
        command.SetAction(async (parsed, ct) =>
        {
            var target = Target.Of(parsed, parsed.GetValue(project), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var text = await client.GetTextAsync($"{target.Path}/groups", ct);
            if (surroundings.Json)
            {
                await surroundings.Out.WriteLineAsync(text);
                return Exit.Done;
            }

            var groups = client.Read(text, ContractJson.Default.PageDeployGroupSummary).Items;
            if (groups.Count == 0)
            {
                await surroundings.HintAsync($"{target.Project} has no deploy groups: they are declared in its pillar. What is missing there: corpus check");
            }

            foreach (var group in groups)
            {
                await surroundings.Out.WriteLineAsync($"{group.Name}  {Words.Commit(group.Commit)}{(group.ImageVersion is { } version ? $" {version}" : "")}");
                foreach (var place in group.Places)
                {
                    await surroundings.Out.WriteLineAsync($"  {place.Environment} ({string.Join(", ", place.Instances)}): {place.State}{(place.Failure is { } why ? $", {why.Split('\n')[0]}" : "")}");
                }
            }

            return Exit.Done;
        });
        return command;
    }

    static async Task<MarkMade> MarkAsync(ReceiverClient client, Target target, MarkOrder order, Surroundings surroundings, CancellationToken ct)
    {
        var made = await client.PostAsync($"{target.Path}/marks", order, ContractJson.Default.MarkOrder, ContractJson.Default.MarkMade, ct);
        await surroundings.SayAsync(made!, ContractJson.Default.MarkMade, string.Join('\n', made!.Said));
        return made;
    }

    /// <summary>0 when every place has it, 1 when it cannot come to that, <see cref="Errored"/> when time is up.</summary>
    static async Task<int> WaitAsync(ReceiverClient client, Target target, string name, string commit, int seconds, Surroundings surroundings, CancellationToken ct)
    {
        var begun = surroundings.Time.GetTimestamp();
        while (true)
        {
            if (await FindAsync(client, target, name, ct) is not { } group)
            {
                return surroundings.Fail(new CorpusException(Exit.Failed, $"there is no deploy group '{name}'.", $"corpus groups {NextCommand.Named(target)}"));
            }

            if (group.Commit is null || !group.Commit.StartsWith(commit, StringComparison.Ordinal))
            {
                return Fail(group.Commit is null ? $"nothing is marked for {name}." : $"{Words.Commit(commit)} is not what {name} is marked with, which is {Words.Commit(group.Commit)}.", Exit.Failed);
            }

            if (group.Places.FirstOrDefault(place => place.State == "failed") is { } failed)
            {
                return Fail($"{failed.Environment}: {failed.Failure}", Exit.Failed);
            }

            if (group.Places.All(place => place.State == "live"))
            {
                await surroundings.SayAsync(group, ContractJson.Default.DeployGroupSummary, $"{name} has {Words.Commit(group.Commit)}");
                return Exit.Done;
            }

            if (surroundings.Time.GetElapsedTime(begun) > TimeSpan.FromSeconds(seconds))
            {
                var missing = group.Places.First(place => place.State != "live");
                return Fail($"{seconds} s are over; {missing.Environment} is {missing.State}{(missing.Failure is { } why ? $": {why}" : "")}", Errored);
            }

            await Task.Delay(Pause, surroundings.Time, ct);
        }

        int Fail(string text, int code)
        {
            surroundings.Fail(new CorpusException(code, text));
            return code;
        }
    }

    static async Task<DeployGroupSummary?> FindAsync(ReceiverClient client, Target target, string name, CancellationToken ct) =>
        (await client.GetAsync($"{target.Path}/groups", ContractJson.Default.PageDeployGroupSummary, ct)).Items.FirstOrDefault(group => group.Name == name);

    /// <summary>Jenkins' job names carry a word in front (reference 3.5).</summary>
    public static string? Stripped(string? service) => service?.StartsWith("services-", StringComparison.Ordinal) == true ? service["services-".Length..] : service;

    public static Option<string?> Service() => new("--service", "-s") { Description = "Name, or ENV/NAME (else the one this directory's git remote leads to)", HelpName = "SERVICE" };

    static Option<string> Group() => new("--deploy-group", "-l", "--clusterinstance") { Description = "The deploy group", HelpName = "GROUP", Required = true };

    public static Option<string?> Commit(bool required) => new("--git-sha", "-k", "-c", "--commit") { Description = "The commit", HelpName = "SHA", Required = required };

    static Option<int> Timeout(int seconds) => new("--timeout", "-t") { Description = "Seconds", HelpName = "SECONDS", DefaultValueFactory = _ => seconds };
}

using System.Globalization;
using System.Text;
using System.Text.Json;
using Paas.Receiver.Contract;
using Paas.Receiver.Processes;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>
/// Instances, supervisors and the receiver are killed in random order, also while the receiver is away: afterwards everything that should run runs exactly once, and what was not
/// touched is the same process (RT-12 to RT-20, AMB-25).
/// </summary>
public sealed class KilledInAnyOrder
{
    static readonly IReadOnlyDictionary<string, int> Wanted = new Dictionary<string, int> { ["web"] = 2, ["worker"] = 1 };

    static readonly string[] Projects = ["killed-one", "killed-two"];

    [Fact]
    public async Task Everything_that_should_run_runs_exactly_once_and_what_was_not_touched_has_its_process_id_still()
    {
        var seed = int.TryParse(System.Environment.GetEnvironmentVariable("PAAS_STORY_SEED"), CultureInfo.InvariantCulture, out var given) ? given : Random.Shared.Next();
        var rounds = int.TryParse(System.Environment.GetEnvironmentVariable("PAAS_STORY_ROUNDS"), CultureInfo.InvariantCulture, out var many) ? many : 6;
        Console.WriteLine($"PAAS_STORY_SEED={seed} PAAS_STORY_ROUNDS={rounds}");
        var chance = new Random(seed);
        await using var receiver = await ReceiverProcess.StartAsync();
        foreach (var project in Projects)
        {
            await using var git = await GitClient.NewAsync(receiver, project, "hello");
            await git.WriteAsync("Procfile", "web: /usr/bin/python3 app.py\nworker: sleep 1000\n");
            await git.WriteAsync("app.json", """{"formation": {"web": {"quantity": 2}}}""");
            await git.CommitAsync("Three instances");
            var push = await git.PushAsync();
            Assert.True(push.Accepted, push.Text);
        }

        var before = await SettledAsync(receiver, $"seed {seed}, at first");

        // One without a supervisor goes on as it is; a receiver that comes back replaces it, for nobody would tell how it ends.
        var orphans = new HashSet<string>();
        for (var round = 1; round <= rounds; round++)
        {
            var away = chance.Next(2) == 0;
            var victims = before.Values.OrderBy(_ => chance.Next()).Take(chance.Next(away ? 0 : 1, 4)).Select(one => (Instance: one, Blow: (Blow)chance.Next(3))).ToList();
            var story = $"seed {seed}, round {round}: {(away ? "the receiver, " : "")}{string.Join(", ", victims.Select(victim => $"{victim.Blow} of {victim.Instance.Place}"))}";
            Console.WriteLine(story);

            // The receiver may die first or last; what is killed while it is away it must find out when it is back.
            var when = chance.Next(victims.Count + 1);
            for (var turn = 0; turn <= victims.Count; turn++)
            {
                if (away && turn == when)
                {
                    await receiver.KillAsync();
                }

                if (turn < victims.Count)
                {
                    Strike(victims[turn].Instance, victims[turn].Blow);
                }
            }

            if (away)
            {
                await receiver.StartAgainAsync();
            }

            var touched = victims.Select(victim => victim.Instance.Id).ToHashSet();
            orphans.UnionWith(victims.Where(victim => victim.Blow == Blow.Supervisor).Select(victim => victim.Instance.Id));
            touched.UnionWith(away ? orphans : []);
            var after = await SettledAsync(receiver, story);
            Assert.All(before.Values.Where(one => !touched.Contains(one.Id)), one =>
                Assert.True(after.TryGetValue(one.Id, out var same) && same.Process == one.Process, $"{story}: {one.Place} was not touched and is another process now"));
            Assert.All(victims.Where(victim => victim.Blow != Blow.Supervisor), victim => Assert.DoesNotContain(victim.Instance.Id, after.Keys));
            before = after;
        }
    }

    enum Blow
    {
        Instance,
        Supervisor,
        Both,
    }

    static void Strike(Running one, Blow blow)
    {
        if (blow != Blow.Instance)
        {
            PosixSignals.Send(one.Supervisor, PosixSignals.Kill);
        }

        if (blow != Blow.Supervisor)
        {
            PosixSignals.Send(one.Process, PosixSignals.Kill);
        }
    }

    /// <summary>Waits until as many are healthy as should be and no process of another instance is there; and that stays so for a moment.</summary>
    static async Task<Dictionary<string, Running>> SettledAsync(ReceiverProcess receiver, string story)
    {
        var instances = Path.Combine(receiver.Root, "state", "instances");
        var last = "";
        for (var (tries, well) = (0, 0); ; tries++)
        {
            Assert.True(tries < 600, $"{story}: not within 30 s: {last}\n{receiver.Output}");
            await Task.Delay(TimeSpan.FromMilliseconds(50));
            var found = new Dictionary<string, Running>();
            last = "";
            foreach (var project in Projects)
            {
                var status = JsonSerializer.Deserialize((await receiver.AskApiAsync(HttpMethod.Get, $"api/v1/projects/-/{project}")).Body, ContractJson.Default.ProjectStatus)!;
                foreach (var (type, quantity) in Wanted)
                {
                    var healthy = status.Instances.Where(instance => instance.Type == type && instance.State == "healthy").ToList();
                    last += healthy.Count == quantity && status.Instances.Count(instance => instance.Type == type) == quantity ? "" : $"{project} has {healthy.Count} healthy {type}; ";
                    foreach (var instance in healthy)
                    {
                        if (NumberIn(Path.Combine(instances, instance.Id, $"{instance.Id}.child")) is { } process && NumberIn(Path.Combine(instances, instance.Id, $"{instance.Id}.pid")) is { } supervisor)
                        {
                            found[instance.Id] = new Running(instance.Id, $"{project} {type}.{instance.Number}", process, supervisor);
                        }
                        else
                        {
                            last += $"{instance.Id} has no process; ";
                        }
                    }
                }
            }

            // Exactly once: whatever says it is an instance is one of those, and each is there.
            var there = InstancesAlive(receiver.Root);
            last += string.Concat(there.Except(found.Keys).Select(id => $"{id} runs and should not; ")) + string.Concat(found.Keys.Except(there).Select(id => $"{id} does not run; "));
            well = last.Length == 0 ? well + 1 : 0;
            if (well == 3)
            {
                return found;
            }
        }
    }

    static HashSet<string> InstancesAlive(string root)
    {
        var ids = new HashSet<string>();
        foreach (var process in Leftovers.Of(root))
        {
            try
            {
                var variables = Encoding.UTF8.GetString(File.ReadAllBytes($"/proc/{process}/environ")).Split('\0');
                if (variables.FirstOrDefault(variable => variable.StartsWith("PAAS_INSTANCE=", StringComparison.Ordinal)) is { } id)
                {
                    ids.Add(id["PAAS_INSTANCE=".Length..]);
                }
            }
            catch (IOException)
            {
                // It has just ended.
            }
        }

        return ids;
    }

    static int? NumberIn(string path)
    {
        try
        {
            return int.TryParse(File.ReadAllText(path), CultureInfo.InvariantCulture, out var number) ? number : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <param name="Place">Its project, type and number, for people.</param>
    sealed record Running(string Id, string Place, int Process, int Supervisor);
}

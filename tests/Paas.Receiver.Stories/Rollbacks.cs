using System.Net;
using System.Text.Json;
using Paas.Receiver.Deployments;
using Paas.Receiver.Stage;
using Xunit;
using Xunit.Abstractions;

namespace Paas.Receiver;

/// <summary>A kept release again: its code, its configuration and its data, or nothing of it.</summary>
public class Rollbacks(ITestOutputHelper output)
{
    [Fact]
    public async Task It_brings_back_code_configuration_and_data_and_can_itself_be_rolled_back()
    {
        await using var receiver = await ReceiverProcess.StartAsync();
        await using var subject = await Subject.NewAsync(receiver, "back", keepsData: true);
        await using var pillar = await GitClient.NewAsync(receiver, "back/pillar");
        _ = await subject.CommitVersionAsync(1);
        Assert.True((await subject.Git.PushAsync()).Accepted);
        await ConfigureAsync(pillar, "one");
        var first = await GoLiveAsync(subject, 2);
        await ConfigureAsync(pillar, "two");
        var second = await GoLiveAsync(subject, 3, withData: false);
        Assert.Equal("two", ConfigurationOf(subject));

        Assert.Equal(nameof(Outcome.Live), await RollBackAsync(receiver, "back", 2));
        await IsAsync(subject, first);
        Assert.Equal("one", ConfigurationOf(subject));

        Assert.Equal(nameof(Outcome.Live), await RollBackAsync(receiver, "back", 3));
        await IsAsync(subject, second);
        Assert.Equal("two", ConfigurationOf(subject));
    }

    [Fact]
    public async Task What_cannot_be_rolled_back_to_is_refused_before_anything_is_touched()
    {
        await using var receiver = await ReceiverProcess.StartAsync(new Dictionary<string, string> { ["PAAS_KEEP_RELEASES"] = "1" });
        await using var subject = await Subject.NewAsync(receiver, "refused", keepsData: true);
        Moment? live = null;
        for (var version = 1; version <= 4; version++)
        {
            live = await GoLiveAsync(subject, version, withData: version == 1);
        }

        foreach (var target in new[] { 4, 1, 99 })
        {
            Assert.Equal(nameof(Outcome.Refused), await RollBackAsync(receiver, "refused", target));
            await IsAsync(subject, live!, refMatches: true);
        }
    }

    [Fact]
    public async Task With_code_only_the_data_stays_as_it_is()
    {
        await using var receiver = await ReceiverProcess.StartAsync();
        await using var subject = await Subject.NewAsync(receiver, "code", keepsData: true);
        _ = await GoLiveAsync(subject, 1);
        _ = await GoLiveAsync(subject, 2, withData: false);
        subject.WriteData("written-later", "kept\n");
        var data = subject.ReadData();

        Assert.Equal(nameof(Outcome.Live), await RollBackAsync(receiver, "code", 1, codeOnly: true));

        Assert.StartsWith("hello version 1 release v1 ", (await receiver.AskAsync(subject.Host)).Body, StringComparison.Ordinal);
        // A release that served before does not run its own changes again: the data is untouched as a whole.
        Assert.Equal(data, subject.ReadData());
    }

    [Fact]
    public async Task A_release_whose_directory_is_gone_comes_back_from_its_archive()
    {
        await using var receiver = await ReceiverProcess.StartAsync();
        await using var subject = await Subject.NewAsync(receiver, "gone", keepsData: true);
        var first = await GoLiveAsync(subject, 1);
        var directory = Directory.ResolveLinkTarget(Path.Combine(subject.Directory, "deploy", "current"), returnFinalTarget: true)!.FullName;
        _ = await GoLiveAsync(subject, 2, withData: false);
        Directory.Delete(directory, recursive: true);
        foreach (var moment in new[] { "before", "after" })
        {
            receiver.Arm($"fail:{Step.CheckOut}:{moment}");
            Assert.Equal(nameof(Outcome.RolledBack), await RollBackAsync(receiver, "gone", 1));
        }

        receiver.Arm(null);

        Assert.Equal(nameof(Outcome.Live), await RollBackAsync(receiver, "gone", 1));

        await IsAsync(subject, first);
    }

    [Theory]
    [InlineData("kill")]
    [InlineData("fail")]
    public async Task Broken_off_at_any_step_it_leaves_the_one_or_the_other(string what)
    {
        await using var receiver = await ReceiverProcess.StartAsync();
        await using var subject = await Subject.NewAsync(receiver, "broken", keepsData: true);
        var first = await GoLiveAsync(subject, 1);
        var second = await GoLiveAsync(subject, 2, withData: false);
        var failures = new List<string>();
        var steps = new[]
        {
            Step.Hold, Step.Stop, Step.BackUp, Step.Restore, Step.Release, Step.Start, Step.Healthy, Step.Upgrade, Step.Promote, Step.Switch, Step.Settle, Step.Retire, Step.Prune, Step.Notify,
        };
        foreach (var fault in steps.SelectMany(step => new[] { $"{what}:{step}:before", $"{what}:{step}:after" }))
        {
            var old = subject.Now(2, second.Commit!);
            receiver.Arm(fault);
            if (what == "kill")
            {
                try
                {
                    _ = await AskForRollbackAsync(receiver, "broken", 1, codeOnly: false);
                }
                catch (HttpRequestException)
                {
                    // Killed before its answer was whole.
                }

                Assert.Equal(137, await receiver.ExitAsync());
                receiver.Arm(null);
                await receiver.StartAgainAsync();
            }
            else
            {
                _ = await RollBackAsync(receiver, "broken", 1);
                receiver.Arm(null);
            }

            var (moment, wrong) = await subject.SettleAsync(old, first, refFollows: false);
            failures.AddRange(wrong.Select(trouble => $"{fault}: {trouble}"));
            output.WriteLine($"{fault}: {moment?.Version}");
            if (moment is { Version: 1 })
            {
                // Forward again, for the next fault to have something to go back from.
                _ = await RollBackAsync(receiver, "broken", 2);
                var (_, still) = await subject.SettleAsync(second, second, refFollows: false);
                failures.AddRange(still.Select(trouble => $"{fault}, then forward again: {trouble}"));
            }

            if (failures.Count > 0)
            {
                break;
            }
        }

        Assert.True(failures.Count == 0, string.Join('\n', failures) + receiver.Output);
    }

    static async Task<Moment> GoLiveAsync(Subject subject, int version, bool withData = true)
    {
        var commit = await subject.CommitVersionAsync(version);
        var push = await subject.Git.PushAsync();
        Assert.True(push.Accepted, push.Text + subject.Receiver.Output);
        if (withData)
        {
            subject.FillData();
        }

        return subject.Now(version, commit);
    }

    static async Task ConfigureAsync(GitClient pillar, string flavour)
    {
        _ = await pillar.CommitFileAsync("init.sls", $"env:\n  FLAVOUR: {flavour}\n");
        var push = await pillar.PushAsync();
        Assert.True(push.Accepted, push.Text);
    }

    static string? ConfigurationOf(Subject subject) =>
        File.ReadAllText($"/proc/{subject.Processes()[0].Process}/environ").Split('\0')
            .FirstOrDefault(variable => variable.StartsWith("FLAVOUR=", StringComparison.Ordinal))?["FLAVOUR=".Length..];

    static async Task IsAsync(Subject subject, Moment expected, bool refMatches = false)
    {
        var (_, wrong) = await subject.SettleAsync(expected, expected, refMatches);
        Assert.True(wrong.Count == 0, string.Join('\n', wrong) + subject.Receiver.Output);
    }

    /// <summary>Asks for it and follows it to its end.</summary>
    internal static async Task<string> RollBackAsync(ReceiverProcess receiver, string project, int target, bool codeOnly = false)
    {
        var url = await AskForRollbackAsync(receiver, project, target, codeOnly);
        for (var patience = 0; patience < 3000; patience++)
        {
            var (_, body) = await receiver.AskApiAsync(HttpMethod.Get, url);
            using var deployment = JsonDocument.Parse(body);
            if (deployment.RootElement.TryGetProperty("outcome", out var outcome) && outcome.GetString() is { Length: > 0 } ended)
            {
                return char.ToUpperInvariant(ended[0]) + ended[1..];
            }

            await Task.Delay(TimeSpan.FromMilliseconds(10));
        }

        throw new TimeoutException($"The rollback did not end:\n{receiver.Output}");
    }

    static async Task<string> AskForRollbackAsync(ReceiverProcess receiver, string project, int target, bool codeOnly)
    {
        var (status, body) = await receiver.AskApiAsync(
            HttpMethod.Post, $"api/v1/projects/local/{project}/rollback", JsonSerializer.Serialize(new { release = target, codeOnly }));
        Assert.True(status == HttpStatusCode.Accepted, body);
        using var accepted = JsonDocument.Parse(body);
        return accepted.RootElement.GetProperty("url").GetString()!.TrimStart('/');
    }
}

using Paas.Receiver.Processes;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>No fault points: projects that fail by themselves, receivers that are stopped, applications and machines that die.</summary>
public class WhatGoesWrongInEarnest
{
    static readonly IReadOnlyDictionary<string, string> Impatient = new Dictionary<string, string> { ["PAAS_START_TIMEOUT"] = "2", ["PAAS_STOP_TIMEOUT"] = "3" };

    [Fact]
    public async Task A_receiver_whose_port_is_taken_says_so_and_nothing_else()
    {
        await using var first = await ReceiverProcess.StartAsync();

        var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => ReceiverProcess.StartAsync(new Dictionary<string, string> { ["PAAS_LISTEN"] = $"http://127.0.0.1:{first.Port}" }));

        Assert.Contains("address already in use", refused.Message);
        Assert.DoesNotContain("BackgroundService", refused.Message);
    }

    [Fact]
    public async Task A_deployment_that_fails_at_any_step_is_taken_back_with_its_data_and_leaves_its_evidence()
    {
        await using var receiver = await ReceiverProcess.StartAsync(Impatient);
        var (subject, old) = await LiveAsync(receiver, "earnest");
        await using var _ = subject;
        var failures = new List<string>();
        foreach (var (what, spoil, spoilsData) in new (string, Action<Subject>, bool)[]
        {
            ("a build that ends with 3", at => at.WriteHook("build", "echo missing >&2; exit 3"), false),
            ("a release command that fails", at => Write(at, "Procfile", "release: sh .paas/migrate released && exit 4\nweb: exec /usr/bin/python3 app.py\n"), true),
            ("an upgrade that fails when it is half done", at => at.WriteHook("upgrade", "sh .paas/migrate upgraded; cd \"$PAAS_DATA_DIR\"; rm -rf nested blob; echo half >half; exit 5"), true),
            ("an application that never listens", at => Write(at, "app.py", "import time\ntime.sleep(3600)\n"), true),
            ("an application that ends at once", at => Write(at, "app.py", "raise RuntimeError('no')\n"), true),
        })
        {
            await subject.Git.GitAsync("reset", "-q", "--hard", old.Commit!);
            spoil(subject);
            var commit = await subject.CommitVersionAsync(66);
            var archives = Directory.EnumerateDirectories(Path.Combine(subject.Directory, "archives")).ToHashSet();
            await using var visitor = Visitor.Start(receiver, subject.Host, abreast: 1, pause: TimeSpan.FromMilliseconds(4));
            await visitor.OneMoreAsync();

            var push = await subject.Git.PushAsync();

            await visitor.OneMoreAsync();
            await visitor.StopAsync();
            var (moment, wrong) = await subject.SettleAsync(old, subject.After(old, 66, commit));
            failures.AddRange(wrong.Concat(visitor.Failures.Take(3)).Select(trouble => $"{what}: {trouble}"));
            if (push.Accepted || moment != old)
            {
                failures.Add($"{what}: {push.Text}");
            }

            var archive = Directory.EnumerateDirectories(Path.Combine(subject.Directory, "archives")).Single(directory => !archives.Contains(directory));
            if (!File.Exists(Path.Combine(archive, "run.failed", "VERSION")) || (spoilsData && !Directory.Exists(Path.Combine(archive, "data.failed"))))
            {
                failures.Add($"{what}: no evidence in {archive}: {string.Join(", ", Directory.EnumerateFileSystemEntries(archive).Select(Path.GetFileName))}");
            }
        }

        Assert.True(failures.Count == 0, string.Join('\n', failures) + receiver.Output);
    }

    [Fact]
    public async Task A_backup_that_fails_stops_the_deployment_before_anything_was_touched()
    {
        await using var receiver = await ReceiverProcess.StartAsync(Impatient);
        await using var subject = await Subject.NewAsync(receiver, "backless", keepsData: true);
        subject.WriteHook("backup", "echo the dump does not fit >&2; exit 6");
        var first = await subject.CommitVersionAsync(1);
        Assert.True((await subject.Git.PushAsync()).Accepted);
        subject.FillData();
        var old = subject.Now(1, first);
        var second = await subject.CommitVersionAsync(2);

        var push = await subject.Git.PushAsync();

        Assert.False(push.Accepted);
        var (moment, wrong) = await subject.SettleAsync(old, subject.After(old, 2, second));
        Assert.True(wrong.Count == 0, string.Join('\n', wrong) + push.Text);
        Assert.Same(old, moment);
        Assert.Contains(push.Remote, line => line.Contains("exit code 6", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Nothing_is_deployed_onto_data_that_cannot_be_written()
    {
        await using var receiver = await ReceiverProcess.StartAsync(Impatient);
        var (subject, old) = await LiveAsync(receiver, "read-only");
        await using var _ = subject;
        var commit = await subject.CommitVersionAsync(2);
        if ((await new Command("mount", "--bind", "-o", "ro", subject.DataDirectory, subject.DataDirectory).RunAsync()).ExitCode != 0)
        {
            Console.WriteLine("skipped: this user may not mount");
            return;
        }

        PushResult push;
        try
        {
            push = await subject.Git.PushAsync();
        }
        finally
        {
            await new Command("umount", "--lazy", subject.DataDirectory).OutputAsync();
        }

        Assert.False(push.Accepted);
        Assert.Contains(push.Remote, line => line.StartsWith(" !     ", StringComparison.Ordinal) && line.Contains("Read-only file system", StringComparison.Ordinal));
        var (moment, wrong) = await subject.SettleAsync(old, subject.After(old, 2, commit));
        Assert.True(wrong.Count == 0, string.Join('\n', wrong) + push.Text);
        Assert.Same(old, moment);
        Assert.True((await subject.Git.PushAsync()).Accepted);
    }

    [Theory]
    [InlineData("build")]
    [InlineData("release")]
    [InlineData("upgrade")]
    public async Task A_receiver_that_is_told_to_stop_takes_back_what_runs_and_ends(string step)
    {
        await using var receiver = await ReceiverProcess.StartAsync(Impatient);
        var (subject, old) = await LiveAsync(receiver, "stopped");
        await using var _ = subject;
        var commit = await StandStillInAsync(subject, step);
        var pushing = subject.Git.PushAsync();
        await StandsStillAsync(subject);

        var code = await receiver.StopAsync();

        Assert.Equal(0, code);
        Assert.False((await pushing).Accepted);
        Assert.Equal(old.Data, subject.ReadData());
        await receiver.StartAgainAsync();
        var (moment, wrong) = await subject.SettleAsync(old, subject.After(old, 2, commit));
        Assert.True(wrong.Count == 0, string.Join('\n', wrong) + receiver.Output);
        Assert.Same(old, moment);
    }

    [Theory]
    [InlineData("build")]
    [InlineData("release")]
    [InlineData("upgrade")]
    public async Task A_receiver_that_is_killed_while_a_command_runs_ends_the_command_before_it_brings_the_data_back(string step)
    {
        await using var receiver = await ReceiverProcess.StartAsync(Impatient);
        var (subject, old) = await LiveAsync(receiver, "killed");
        await using var _ = subject;
        var commit = await StandStillInAsync(subject, step);
        var pushing = subject.Git.PushAsync();
        await StandsStillAsync(subject);

        await receiver.KillAsync();
        await receiver.StartAgainAsync();

        Assert.False((await pushing).Accepted);
        var (moment, wrong) = await subject.SettleAsync(old, subject.After(old, 2, commit));
        Assert.True(wrong.Count == 0, string.Join('\n', wrong) + receiver.Output);
        Assert.Same(old, moment);
    }

    [Fact]
    public async Task A_receiver_that_is_killed_finds_its_applications_as_they_were()
    {
        await using var receiver = await ReceiverProcess.StartAsync(Impatient);
        var (subject, old) = await LiveAsync(receiver, "found");
        await using var _ = subject;
        var before = subject.Processes().Select(process => process.Process).Order().ToList();
        Assert.NotEmpty(before);

        await receiver.KillAsync();
        await receiver.StartAgainAsync();

        var (moment, wrong) = await subject.SettleAsync(old, old);
        Assert.True(moment == old, string.Join('\n', wrong) + receiver.Output);
        Assert.Equal(before, subject.Processes().Select(process => process.Process).Order());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_application_that_is_killed_comes_back(bool itsSupervisor)
    {
        await using var receiver = await ReceiverProcess.StartAsync(Impatient);
        var (subject, old) = await LiveAsync(receiver, "crashed");
        await using var _ = subject;
        var before = subject.Processes().Select(process => process.Process).ToList();
        var victims = itsSupervisor
            ? Leftovers.Of(receiver.Root).Where(process => File.ReadAllText($"/proc/{process}/cmdline").Contains("/supervise\0", StringComparison.Ordinal)).ToList()
            : before;
        Assert.NotEmpty(victims);

        victims.ForEach(process => PosixSignals.Send(process, PosixSignals.Kill));
        await GoneAsync(victims);

        // At the latest when it is asked the next time: whoever comes meanwhile may be told to come again.
        for (var patience = 0; subject.Processes().Count == 0 && patience < 1000; patience++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(10));
        }

        var (moment, wrong) = await subject.SettleAsync(old, old);
        Assert.True(moment == old, string.Join('\n', wrong) + receiver.Output);
    }

    [Fact]
    public async Task After_a_reboot_the_applications_come_back()
    {
        await using var receiver = await ReceiverProcess.StartAsync(Impatient);
        var (subject, old) = await LiveAsync(receiver, "rebooted");
        await using var _ = subject;

        await receiver.KillAsync();
        var all = Leftovers.Of(receiver.Root);
        all.ForEach(process => PosixSignals.Send(process, PosixSignals.Kill));
        await GoneAsync(all);
        await receiver.StartAgainAsync();

        var (moment, wrong) = await subject.SettleAsync(old, old);
        Assert.True(moment == old, string.Join('\n', wrong) + receiver.Output);
    }

    [Fact]
    public async Task A_way_back_that_is_blocked_is_walked_before_the_next_deployment()
    {
        await using var receiver = await ReceiverProcess.StartAsync(Impatient);
        var (subject, old) = await LiveAsync(receiver, "blocked");
        await using var _ = subject;
        var commit = await subject.CommitVersionAsync(2);
        receiver.Arm("fail:upgrade:after,fail:undo:before");
        var push = await subject.Git.PushAsync();
        Assert.False(push.Accepted);
        receiver.Arm(null);

        var again = await subject.Git.PushAsync();

        Assert.True(again.Accepted, again.Text);
        Assert.Contains(again.Remote, line => line.StartsWith("-----> Taking back what deployment ", StringComparison.Ordinal));
        var (moment, wrong) = await subject.SettleAsync(old, subject.After(old, 2, commit));
        Assert.True(wrong.Count == 0, string.Join('\n', wrong) + again.Text);
        Assert.Equal(2, moment!.Version);
    }

    [Fact]
    public async Task A_way_back_that_is_blocked_is_walked_at_the_next_start()
    {
        await using var receiver = await ReceiverProcess.StartAsync(Impatient);
        var (subject, old) = await LiveAsync(receiver, "blocked");
        await using var _ = subject;
        var commit = await subject.CommitVersionAsync(2);
        receiver.Arm("fail:upgrade:after,fail:RestoreData:before");
        Assert.False((await subject.Git.PushAsync()).Accepted);
        receiver.Arm(null);

        await receiver.StopAsync();
        await receiver.StartAgainAsync();

        var (moment, wrong) = await subject.SettleAsync(old, subject.After(old, 2, commit));
        Assert.True(wrong.Count == 0, string.Join('\n', wrong) + receiver.Output);
        Assert.Same(old, moment);
    }

    static async Task<(Subject Subject, Moment Old)> LiveAsync(ReceiverProcess receiver, string name)
    {
        var subject = await Subject.NewAsync(receiver, name, keepsData: true);
        var commit = await subject.CommitVersionAsync(1);
        var push = await subject.Git.PushAsync();
        Assert.True(push.Accepted, push.Text + receiver.Output);
        subject.FillData();
        return (subject, subject.Now(1, commit));
    }

    static void Write(Subject subject, string file, string content) => File.WriteAllText(Path.Combine(subject.Git.Directory, file), content);

    /// <summary>A version 2 that, in this step, spoils the data again and again.</summary>
    static Task<string> StandStillInAsync(Subject subject, string step)
    {
        const string Spoil = "echo here; while :; do echo spoiled >\"${PAAS_DATA_DIR:-.}/precious\"; echo spoiled >\"${PAAS_DATA_DIR:-.}/schema\"; sleep 0.02; done";
        if (step == "release")
        {
            Write(subject, "Procfile", $"release: {Spoil}\nweb: exec /usr/bin/python3 app.py\n");
        }
        else
        {
            subject.WriteHook(step, Spoil);
        }

        return subject.CommitVersionAsync(2);
    }

    /// <summary>Returns when the step has begun: its loop runs.</summary>
    static async Task StandsStillAsync(Subject subject)
    {
        for (var patience = 0; patience < 3000; patience++)
        {
            if (Leftovers.Of(subject.Receiver.Root).Any(IsLoop))
            {
                return;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(10));
        }

        throw new TimeoutException("The step did not begin.");

        static bool IsLoop(int process)
        {
            try
            {
                return File.ReadAllText($"/proc/{process}/cmdline") == "sleep\0" + "0.02\0";
            }
            catch (IOException)
            {
                return false;
            }
        }
    }

    static async Task GoneAsync(IReadOnlyList<int> processes)
    {
        for (var patience = 0; patience < 1000 && processes.Any(process => Directory.Exists($"/proc/{process}") && !IsZombie(process)); patience++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5));
        }

        static bool IsZombie(int process)
        {
            try
            {
                return File.ReadAllText($"/proc/{process}/stat").Split(')')[^1].TrimStart()[0] == 'Z';
            }
            catch (IOException)
            {
                return true;
            }
        }
    }
}

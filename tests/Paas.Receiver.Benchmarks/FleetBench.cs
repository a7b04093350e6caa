using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging.Abstractions;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Runtimes;
using Paas.Receiver.Storage;
using Environment = Paas.Receiver.Projects.Environment;

namespace Paas.Receiver;

/// <summary>What supervised instances cost while they do nothing, and how soon the end of one is known.</summary>
static partial class FleetBench
{
    const int Idle = 10;

    const int Crashes = 50;

    const int CrashesAtRest = 30;

    public static async Task InstancesAsync(int count, string hooks)
    {
        var place = Directory.CreateTempSubdirectory("bench-fleet-").FullName;
        File.SetUnixFileMode(place, File.GetUnixFileMode(place) | UnixFileMode.OtherExecute);
        var state = Directory.CreateDirectory(Path.Combine(place, "state"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;
        using var database = Database.OpenOrCreate(Path.Combine(state, "receiver.db"));
        var users = new ProjectUsers(database, place, (70_000, 99_999), TimeProvider.System);
        var cage = await Cage.ProbeAsync(state, CageLimits.None, users.SettleIn);
        var settings = new FleetSettings { Root = place, State = state, Hooks = hooks, ReportPort = () => 9 }; // nobody takes a report there: it stays a file
        await using var fleet = new Fleet(cage, settings, new Containers.Engine(new Containers.EngineAddress("/nonexistent/docker.sock", 0)), TimeProvider.System, NullLogger<Fleet>.Instance);
        var project = new Project(new Environment(EnvironmentName.Parse("local"), Guid.Empty, EnvironmentType.Staging, Mode.Cooking, place, IsDefault: true), ProjectName.Parse("bench"));
        var release = ReleaseId.New(TimeProvider.System);
        Directory.CreateDirectory(project.Data);
        var launch = new Launch
        {
            Project = project,
            Release = release,
            Number = 1,
            Directory = Directory.CreateDirectory(Path.Combine(project.Deploy, release.Value)).FullName,
            Types = [new ProcessType("worker", "sleep 100000", count, Web: false)],
            StopTimeout = TimeSpan.FromSeconds(5),
        };
        try
        {
            var clock = Stopwatch.StartNew();
            await fleet.StartAsync(launch, default);
            var verdict = await fleet.HealthyAsync(project, release, default);
            Console.WriteLine($"  {count} instances up in {clock.Elapsed.TotalSeconds:F1} s: {verdict.Reason}");
            await Task.Delay(TimeSpan.FromSeconds(3));

            var watchers = fleet.Status(project, release).SelectMany(one => WatchersOf(Path.Combine(settings.Instances, one.Id, $"{one.Id}.pid"), one.Process!.Value)).ToList();
            var (memory, private_) = (watchers.Sum(process => Smaps(process, "Pss:")), watchers.Sum(process => Smaps(process, "Private_Dirty:")));
            Console.WriteLine($"  {watchers.Count} processes watch them: {memory / (double)count / 1024:F2} MB each of proportional memory (bar 2 MB), {private_ / (double)count / 1024:F2} MB of it their own");

            using var self = Process.GetCurrentProcess();
            var (before, ours) = (watchers.Sum(Ticks), self.TotalProcessorTime);
            await Task.Delay(TimeSpan.FromSeconds(Idle));
            self.Refresh();
            Console.WriteLine($"  {Idle} s of idling: {(watchers.Sum(Ticks) - before) * 10} ms of processor time in all of them (bar 0), {(self.TotalProcessorTime - ours).TotalMilliseconds:F0} ms in the receiver's part");

            await CrashesAsync(fleet, project, release, CrashesAtRest, atRest: true);
            await CrashesAsync(fleet, project, release, Crashes, atRest: false);
        }
        finally
        {
            await fleet.StopAsync(project, release);
            await fleet.DisposeAsync();
            await Cage.RemoveAsync(place);
        }
    }

    /// <param name="atRest">Each when the former one's successor has been started, so that nothing else is being done; else while the former one is being replaced.</param>
    static async Task CrashesAsync(Fleet fleet, Project project, ReleaseId release, int crashes, bool atRest)
    {
        var (took, told) = (new List<double>(), new List<double>());
        for (var crash = 0; crash < crashes; crash++)
        {
            do
            {
                await Task.Delay(atRest ? TimeSpan.FromMilliseconds(250) : TimeSpan.Zero);
            }
            while (atRest && fleet.Status(project, release).Any(one => one.Process is null));

            // Another one each time: one that ends again and again waits longer and longer for its successor.
            var victim = fleet.Status(project, release).First(one => one.Healthy && (!atRest || one.Number > crash));
            var known = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
            void Look(Project of, ReleaseId id)
            {
                if (fleet.Status(project, release).Single(one => one.Number == victim.Number) is { } now && (now.Id != victim.Id || !now.Healthy))
                {
                    known.TrySetResult(Stopwatch.GetTimestamp());
                }
            }

            fleet.Changed += Look;
            using var kernel = KernelSays(victim.Process!.Value, out var said);
            var killed = Stopwatch.GetTimestamp();
            PosixSignals.Send(victim.Process!.Value, PosixSignals.Kill);
            took.Add(Stopwatch.GetElapsedTime(killed, await known.Task.WaitAsync(TimeSpan.FromSeconds(10))).TotalMilliseconds);
            told.Add(Stopwatch.GetElapsedTime(killed, await said).TotalMilliseconds);
            fleet.Changed -= Look;
        }

        Console.WriteLine($"  {crashes} crashes, {(atRest ? "each when all is at rest" : "each while the former is being replaced")}, to their detection: {Spread(took)} (bar 20 ms); the kernel tells of them after {Spread(told)}");

        static string Spread(List<double> times)
        {
            times.Sort();
            return string.Create(CultureInfo.InvariantCulture, $"median {times[times.Count / 2]:F1} ms, 95 % within {times[times.Count * 95 / 100]:F1} ms, at most {times[^1]:F1} ms");
        }
    }

    /// <summary>When the kernel says, to a thread that does nothing but wait for it, that a process has ended: what nobody can be quicker than.</summary>
    static Microsoft.Win32.SafeHandles.SafeFileHandle KernelSays(int process, out Task<long> said)
    {
        var descriptor = new Microsoft.Win32.SafeHandles.SafeFileHandle((nint)Syscall(434 /* pidfd_open */, process, 0), ownsHandle: true);
        said = Task.Factory.StartNew(
            () =>
            {
                var waited = new PollDescriptor { Descriptor = (int)descriptor.DangerousGetHandle(), Events = 1 /* POLLIN */ };
                _ = Poll(ref waited, 1, 10_000);
                return Stopwatch.GetTimestamp();
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        Thread.Sleep(1); // it waits by now
        return descriptor;
    }

    [StructLayout(LayoutKind.Sequential)]
    struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }

    [LibraryImport("libc", EntryPoint = "syscall")]
    private static partial long Syscall(long number, long first, long second);

    [LibraryImport("libc", EntryPoint = "poll")]
    private static partial int Poll(ref PollDescriptor descriptors, ulong count, int timeout);

    /// <summary>The supervisor and everything it started but the application.</summary>
    static List<int> WatchersOf(string pidFile, int application)
    {
        var supervisor = int.Parse(File.ReadAllText(pidFile), CultureInfo.InvariantCulture);
        var children = Directory.EnumerateDirectories("/proc").Select(Path.GetFileName).Where(name => char.IsAsciiDigit(name![0])).Select(name => int.Parse(name!, CultureInfo.InvariantCulture))
            .Where(process => process != application && Fields(process) is { } fields && fields[1] == supervisor.ToString(CultureInfo.InvariantCulture));
        return [supervisor, .. children];
    }

    /// <summary>Processor time so far, in hundredths of a second.</summary>
    static long Ticks(int process) => Fields(process) is { } fields ? long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture) : 0;

    /// <summary>Behind the program's name: state, parent, …</summary>
    static string[]? Fields(int process)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{process}/stat");
            return stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Kilobytes.</summary>
    static long Smaps(int process, string what)
    {
        try
        {
            return File.ReadLines($"/proc/{process}/smaps_rollup").Where(line => line.StartsWith(what, StringComparison.Ordinal))
                .Sum(line => long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture));
        }
        catch (IOException)
        {
            return 0;
        }
    }
}

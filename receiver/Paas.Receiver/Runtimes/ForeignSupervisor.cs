using System.Globalization;
using System.Text.Json;
using Paas.Receiver.Processes;

namespace Paas.Receiver.Runtimes;

/// <summary>
/// A supervisor that is not ours and speaks Paasmaker's protocol (reference 2.9): it gets the path of a control file of its own, which it removes in the end, starts what stands
/// there, says so in a file, and reports how it ended. What it starts is <c>hooks/instance</c>, which becomes the application, with its log where all logs are.
/// </summary>
static class ForeignSupervisor
{
    /// <summary>How long it may take to start its command.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(5);

    /// <summary>Its own copy of the control file.</summary>
    public static string FileIn(string directory) => Path.Combine(directory, "supervisor.json");

    /// <summary>The process ids of the supervisor and of what it started.</summary>
    /// <exception cref="IOException">It did not come to start the command.</exception>
    public static async Task<(int Supervisor, int Process)> StartAsync(ControlFile control, string directory, string program, string hooks, TimeProvider time)
    {
        ControlFile.WritePrivately(FileIn(directory), JsonSerializer.Serialize(control with { Command = ["/bin/sh", Path.Combine(hooks, "instance"), directory], Directory = directory }));

        // It may print whatever it likes: nobody reads that, and it must not end because nobody does.
        await using var supervisor = new Command("/bin/sh", "-c", "exec \"$0\" \"$1\" </dev/null >>\"$2\" 2>&1", program, FileIn(directory), Path.Combine(directory, "supervisor.log")) { OwnGroup = true }.Start();
        supervisor.Input.Close();
        var gone = ExitWatch.Of(supervisor.Id);
        for (var begun = time.GetTimestamp(); ; await Task.Delay(Pause, time))
        {
            var ended = gone.IsCompleted;
            if (File.Exists(control.StartFlag) && int.TryParse(TextOf(Path.Combine(directory, $"{control.Instance}.child")), CultureInfo.InvariantCulture, out var process))
            {
                File.Delete(control.StartFlag);
                return (supervisor.Id, process);
            }

            if (ended)
            {
                throw new IOException($"the supervisor {program} ended with {await supervisor.WaitAsync()} before it had started anything: {TextOf(Path.Combine(directory, "supervisor.log"))?.Trim()}");
            }

            if (time.GetElapsedTime(begun) > Patience)
            {
                PosixSignals.Send(-supervisor.Id, PosixSignals.Kill);
                throw new IOException($"the supervisor {program} started nothing within {Patience.TotalSeconds:0} s");
            }
        }
    }

    static string? TextOf(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (IOException)
        {
            return null;
        }
    }
}

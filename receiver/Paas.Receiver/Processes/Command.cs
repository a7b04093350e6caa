using System.Diagnostics;

namespace Paas.Receiver.Processes;

/// <summary>A program, its arguments as a list, its directory and its complete environment. Never a shell line.</summary>
/// <remarks>The child sees exactly <see cref="Environment"/>: nothing of the receiver's own environment leaks (AMB-27).</remarks>
sealed record Command(string Program, params IReadOnlyList<string> Arguments)
{
    /// <summary>What every child gets unless its caller says otherwise: a search path, a locale and nothing else.</summary>
    public static readonly IReadOnlyDictionary<string, string> CleanEnvironment = new Dictionary<string, string>
    {
        ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ["LANG"] = "C.UTF-8",
    };

    /// <summary>Working directory; null is the file system's root, so that a child holds no directory busy.</summary>
    public string? Directory { get; init; }

    public IReadOnlyDictionary<string, string> Environment { get; init; } = CleanEnvironment;

    /// <summary>The child leads a session and process group of its own, so that the whole group can be signalled.</summary>
    public bool OwnGroup { get; init; }

    /// <summary>This command with further variables on top of the ones it has.</summary>
    public Command With(IEnumerable<KeyValuePair<string, string>> variables)
    {
        var merged = new Dictionary<string, string>(Environment);
        foreach (var (name, value) in variables)
        {
            merged[name] = value;
        }

        return this with { Environment = merged };
    }

    /// <summary>Starts the program with all three standard streams piped.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">The program cannot be started.</exception>
    public ChildProcess Start() => ChildProcess.Start(this);

    /// <summary>Runs to the end with both outputs drained. The exit code is an answer, not an exception.</summary>
    public async Task<CommandResult> RunAsync(CancellationToken ct = default)
    {
        await using var child = Start();
        child.Input.Close();
        var output = child.ReadAllAsync(child.Output);
        var error = child.ReadAllAsync(child.Error);
        await using var stop = ct.Register(() => child.Signal(PosixSignals.Kill));
        var code = await child.WaitAsync();
        ct.ThrowIfCancellationRequested();
        return new CommandResult(code, await output, await error);
    }

    /// <summary>Runs to the end and returns what it printed.</summary>
    /// <exception cref="CommandFailedException">It ended with another code than 0; the message carries its own words.</exception>
    public async Task<string> OutputAsync(CancellationToken ct = default)
    {
        var result = await RunAsync(ct);
        return result.ExitCode == 0 ? result.Output : throw new CommandFailedException(this, result);
    }

    /// <summary>Readable in logs: the program and its arguments, never its environment (secrets live there).</summary>
    public override string ToString() => string.Join(' ', Arguments.Prepend(Program));

    internal ProcessStartInfo StartInfo()
    {
        var info = new ProcessStartInfo
        {
            FileName = OwnGroup ? "/usr/bin/setsid" : Program,
            WorkingDirectory = Directory ?? "/",
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        if (OwnGroup)
        {
            info.ArgumentList.Add(Program);
        }

        foreach (var argument in Arguments)
        {
            info.ArgumentList.Add(argument);
        }

        info.Environment.Clear();
        foreach (var (name, value) in Environment)
        {
            info.Environment[name] = value;
        }

        return info;
    }
}

/// <summary>How a short program ended. Output and error are decoded as UTF-8.</summary>
sealed record CommandResult(int ExitCode, string Output, string Error);

/// <summary>A program that had to succeed did not.</summary>
sealed class CommandFailedException(Command command, CommandResult result)
    : Exception($"{command} ended with {result.ExitCode}: {(result.Error.Length > 0 ? result.Error : result.Output).Trim()}")
{
    public CommandResult Result => result;
}

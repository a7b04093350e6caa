using System.Diagnostics;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Archives;

/// <summary>A project on a disk of its own to ruin, gone afterwards with whatever was mounted in it.</summary>
sealed class Scratch : IDisposable
{
    readonly List<string> mounts = [];
    readonly string top;

    public Scratch()
    {
        top = Path.Combine(Path.GetTempPath(), "paas-archives-" + Guid.NewGuid().ToString("N"));
        Project = new Project(
            new Projects.Environment(EnvironmentName.Parse("local"), Guid.NewGuid(), EnvironmentType.Staging, Mode.Cooking, top, true),
            ProjectName.Parse("shop"));
        Directory.CreateDirectory(Project.Data);
    }

    /// <summary>The project's directory, where scripts run.</summary>
    public string Root => Project.Directory;

    public Project Project { get; }

    public string Data => Project.Data;

    public static bool IsRoot => Kernel.IsRoot;

    public string Archive(ReleaseId id, string what = "data") => Path.Combine(Project.Archives, id.Value, what);

    /// <summary>Runs a script in the scratch directory. Files it writes are older than the file clock's tick when this returns.</summary>
    public string Sh(string script)
    {
        var (code, output) = TrySh(script);
        return code == 0 ? output : throw new InvalidOperationException($"{script}\n{output}");
    }

    public (int Code, string Output) TrySh(string script)
    {
        var info = new ProcessStartInfo("/bin/bash") { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Root, UseShellExecute = false };
        info.ArgumentList.Add("-ec");
        info.ArgumentList.Add("exec 2>&1\n" + script);
        using var shell = Process.Start(info)!;
        var output = shell.StandardOutput.ReadToEnd();
        shell.WaitForExit();
        Settle();
        return (shell.ExitCode, output);
    }

    /// <summary>One program in the scratch directory, with nothing around it that would be measured with it.</summary>
    public async Task Run(string program, params string[] arguments)
    {
        using var child = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = Root, UseShellExecute = false })!;
        await child.WaitForExitAsync();
    }

    public static void Settle()
    {
        for (var tick = Kernel.FileClock(); Kernel.FileClock() == tick;)
        {
            Thread.Yield();
        }
    }

    public void Mount(string options, string at)
    {
        Directory.CreateDirectory(at);
        Sh($"mount {options} '{at}'");
        mounts.Add(at);
    }

    /// <summary>False where this machine cannot.</summary>
    public bool TryMount(string options, string at)
    {
        if (TrySh($"mount {options} '{at}'").Code != 0)
        {
            return false;
        }

        mounts.Add(at);
        return true;
    }

    /// <summary>rsync is the judge: content, modes, owners, times to the nanosecond, hard links, ACLs, attributes, extra and missing names. Empty when equal.</summary>
    public string Difference(string one, string other)
    {
        var (code, output) = TrySh($"rsync -aHAXnic --specials --devices --delete --modify-window=-1 '{one}/' '{other}/'");
        return code == 0 ? output : $"rsync ended with {code}: {output}";
    }

    public void Dispose()
    {
        foreach (var mount in Enumerable.Reverse(mounts))
        {
            TrySh($"umount -l '{mount}'");
        }

        TrySh($"cd /; rm -rf '{top}'");
    }
}

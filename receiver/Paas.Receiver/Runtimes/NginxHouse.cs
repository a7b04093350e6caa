using Paas.Receiver.Processes;

namespace Paas.Receiver.Runtimes;

/// <summary>
/// What a shared nginx gets to see. As root: a mount namespace of its own, ended by its last process, to which the host's directories are shown one by one while those above them
/// stay closed. Else the directories themselves, by links.
/// </summary>
/// <param name="Directory">Of the daemon's files.</param>
/// <param name="User">Who nginx is; null for the receiver's own user.</param>
sealed record NginxHouse(string Directory, UnixUser? User)
{
    /// <summary>There on every Linux; no project's files are below it.</summary>
    const string Covered = "/dev/shm";

    const string Begin = """
        exec </dev/null >>"$1/var/start.log" 2>&1
        set -e
        if [ -n "$2" ]; then
            mount -t tmpfs -o mode=0711,nosuid,nodev,noexec web "$2"
            mkdir "$2/conf" "$2/var"
            mount --bind "$1/conf" "$2/conf"
            mount --bind "$1/var" "$2/var"
        fi
        shift 2
        exec "$@"
        """;

    const string Show = """
        mkdir -p "$1/run" "$1/data" "$1/web"
        mount --bind "$2" "$1/run"
        mount --bind "$3" "$1/data"
        mount --bind "$4" "$1/web"
        """;

    const string Hide = """
        for part in run data web; do umount -l "$1/$part" 2>/dev/null || true; done
        rmdir "$1/run" "$1/data" "$1/web" "$1" 2>/dev/null || true
        """;

    /// <summary>Where nginx finds <c>conf</c> and <c>work</c>.</summary>
    public string Seen => User is null ? Directory : Covered;

    /// <summary>Where nginx finds a site's <c>run</c>, <c>data</c> and <c>web</c>.</summary>
    public string Of(string id) => Path.Combine(User is null ? Path.Combine(Directory, "house") : Covered, id);

    /// <summary>The words that start nginx in its place.</summary>
    public string[] ToStart(IReadOnlyList<string> nginx) =>
        [.. User is null ? Array.Empty<string>() : ["/usr/bin/unshare", "--mount", "--"], "/bin/sh", "-c", Begin, "web", Directory, User is null ? "" : Covered, .. Demoted(), .. nginx];

    /// <summary>A site's release, data and shared directory are where nginx looks for them.</summary>
    /// <exception cref="IOException">They could not be.</exception>
    public async Task ShowAsync(NginxSite site, int process)
    {
        System.IO.Directory.CreateDirectory(site.Data);
        var place = Of(site.Id);
        if (User is null)
        {
            System.IO.Directory.CreateDirectory(place);
            foreach (var (name, target) in new[] { ("run", site.Release), ("data", site.Data), ("web", site.Web) })
            {
                File.Delete(Path.Combine(place, name));
                File.CreateSymbolicLink(Path.Combine(place, name), target);
            }
        }
        else
        {
            string[] words = [.. Inside(process), "/bin/sh", "-ec", Show, "web", place, site.Release, site.Data, site.Web];
            var shown = await new Command(words[0], words[1..]).RunAsync();
            if (shown.ExitCode != 0)
            {
                throw new IOException($"the release could not be shown to nginx: {shown.Error.Trim()}");
            }
        }
    }

    public async Task HideAsync(string id, int process)
    {
        var place = Of(id);
        if (User is null)
        {
            if (System.IO.Directory.Exists(place))
            {
                System.IO.Directory.Delete(place, recursive: true);
            }
        }
        else
        {
            string[] words = [.. Inside(process), "/bin/sh", "-c", Hide, "web", place];
            await new Command(words[0], words[1..]).RunAsync();
        }
    }

    /// <summary>Runs a program where nginx is, as who nginx is.</summary>
    public async Task<CommandResult> RunAsync(IReadOnlyList<string> words, string at, string input, int process)
    {
        string[] all = [.. Inside(process), .. Demoted(), "/usr/bin/env", "-C", at, .. words];
        await using var child = new Command(all[0], all[1..]).Start();
        var output = child.ReadAllAsync(child.Output);
        var error = child.ReadAllAsync(child.Error);
        await using (var writer = new StreamWriter(child.Input))
        {
            await writer.WriteAsync(input);
        }

        return new CommandResult(await child.WaitAsync(), await output, await error);
    }

    /// <summary>Puts what follows into the namespace of the daemon.</summary>
    public string[] Inside(int process) => User is null ? [] : ["/usr/bin/nsenter", $"--mount=/proc/{process}/ns/mnt", "--"];

    /// <summary>Makes what follows who nginx is.</summary>
    public string[] Demoted() => User is null ? []
        : ["/usr/bin/setpriv", "--no-new-privs", $"--reuid={User.Number}", $"--regid={User.Number}", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--"];
}

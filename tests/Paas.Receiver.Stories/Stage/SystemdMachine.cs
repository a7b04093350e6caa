using System.Diagnostics;
using System.Globalization;
using Paas.Receiver.Processes;
using Xunit;

namespace Paas.Receiver.Stage;

/// <summary>Needs root, systemd, and a kernel that gives every namespace and an overlay; says which of them is missing.</summary>
public sealed class SystemdMachineFactAttribute : FactAttribute
{
    public SystemdMachineFactAttribute() => Skip = SystemdMachine.WhyNot;
}

/// <summary>
/// A machine of a story's own with systemd as its first process: this machine's programs, and files, processes, network, users' names and control groups that
/// only it sees. What it writes is in memory and gone with it; so are its processes, whatever they do, for its first one is ended with the story.
/// </summary>
sealed class SystemdMachine : IAsyncDisposable
{
    const string Systemd = "/usr/bin/systemd";
    const string OnlyTry = "try";

    /// <summary>Where the machine finds what these tests are built from.</summary>
    public const string Source = "/opt/source";

    // In a mount namespace that lasts for as long as the machine does, off or on. Reads "on" and "off"; ends with its input, and everything with it.
    const string House = """
        set -eu
        place=$1 top=$2 source=$3 root=$1/root
        mount --make-rprivate /
        mkdir -p "$root"
        mount -t tmpfs -o mode=755 none "$place/root"
        mkdir "$root/up" "$root/work" "$root/srv" "$root/all"
        mount -t overlay -o "lowerdir=/,upperdir=$root/up,workdir=$root/work" none "$root/all"
        [ "$top" != try ] || exit 0
        all=$root/all
        # Nothing of this machine's own services, and of no other receiver's.
        rm -rf "$all"/etc/systemd/system/* "$all"/etc/rc?.d/* "$all"/lib/systemd/system/multi-user.target.wants "$all"/lib/systemd/system/graphical.target.wants \
            "$all"/lib/systemd/system/timers.target.wants "$all"/opt/paas-receiver "$all"/etc/paas-receiver "$all"/usr/local/bin/corpus
        for wants in sysinit local-fs sockets; do
            find "$all/lib/systemd/system/$wants.target.wants" -mindepth 1 ! -name 'systemd-journald*' -delete
        done
        rm -rf "$all/srv" && mkdir -p "$all/srv" "$all/mnt" "$all$source" && chmod 755 "$all/mnt"
        mount --bind "$root/srv" "$all/srv" # no overlay: the receiver makes overlays of its own on it
        mount --bind "$place/shared" "$all/mnt"
        mount --bind "$top" "$all$source" # where it is out here another /tmp may hide it
        cat >"$all/etc/systemd/system/told.service" <<END
        [Unit]
        After=multi-user.target
        [Service]
        Type=oneshot
        ExecStart=/bin/sh -c 'echo up >/mnt/told'
        END
        printf '[Unit]\nRequires=multi-user.target\nWants=told.service\nAllowIsolate=yes\n' >"$all/etc/systemd/system/default.target"
        groups=/sys/fs/cgroup/unified
        [ -d "$groups" ] || groups=/sys/fs/cgroup
        groups=$groups/$(basename "$place")
        machine=
        clean_up() {
            trap - EXIT
            # With the first process every other one ends, and only then is it waited for.
            [ -z "$machine" ] || { kill -s KILL "$(cat "$place/first")" && wait "$machine"; } || true
            [ ! -d "$groups" ] || find "$groups" -depth -type d -exec rmdir {} \; || true
        }
        trap clean_up EXIT
        while read -r what; do
            case $what in
            on)
                mkdir -p "$groups"
                setpriv --pdeathsig KILL sh -c 'echo 0 >"$1/cgroup.procs" && shift && exec "$@"' - "$groups" \
                    unshare --pid --mount --uts --ipc --cgroup --net --fork --kill-child sh -c "$begin" - "$all" "$place" </dev/null &
                machine=$!
                echo "$(cat "$place/shared/told") $(cat "$place/first")"
                ;;
            off)
                wait "$machine" || true
                machine=
                echo down
                ;;
            esac
        done
        """;

    // Becomes systemd. Its number out here is known before its own /proc is there.
    const string Begin = """
        set -eu
        read -r first _ </proc/self/stat
        echo "$first" >"$2/first"
        cd "$1"
        mount -t tmpfs -o mode=755 none run
        mount -t tmpfs -o mode=1777 none tmp
        mount -t proc proc proc
        mount -t sysfs -o ro sysfs sys
        mount -t cgroup2 none sys/fs/cgroup
        mount -t tmpfs -o mode=755 none dev
        for device in null zero full random urandom tty; do
            touch "dev/$device"
            mount --bind "/dev/$device" "dev/$device"
        done
        touch "$2/console" dev/console
        mount --bind "$2/console" dev/console
        mkdir dev/shm dev/pts
        mount -t tmpfs -o mode=1777 none dev/shm
        mount -t devpts -o newinstance,ptmxmode=666 none dev/pts
        ln -s pts/ptmx dev/ptmx
        ip link set lo up
        mkdir -p boot/before
        pivot_root . boot/before
        umount --lazy boot/before
        exec env -i container=paas PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /usr/bin/systemd --log-target=console --show-status=0
        """;

    static readonly TimeSpan Long = TimeSpan.FromSeconds(60);
    static readonly Lazy<string?> Reason = new(Probe);

    readonly string place = Places.NewScratch("machine");
    readonly Process house;
    int first;

    SystemdMachine()
    {
        Shared = Directory.CreateDirectory(Path.Combine(place, "shared")).FullName;
        var info = new ProcessStartInfo("/usr/bin/unshare", ["--mount", "sh", "-c", House, "house", place, Places.Top, Source])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        info.Environment["begin"] = Begin;
        house = Process.Start(info)!;
    }

    /// <summary>Null when there can be such a machine here.</summary>
    public static string? WhyNot => Reason.Value;

    /// <summary>A directory of ours that the machine finds at <c>/mnt</c>.</summary>
    public string Shared { get; }

    public static async Task<SystemdMachine> NewAsync()
    {
        var machine = new SystemdMachine();
        await new Command("mkfifo", Path.Combine(machine.Shared, "told")).OutputAsync();
        await machine.TurnOnAsync();
        return machine;
    }

    public async ValueTask DisposeAsync()
    {
        house.StandardInput.Close();
        await house.WaitForExitAsync().WaitAsync(Long);
        house.Dispose();
        Directory.Delete(place, recursive: true);
    }

    /// <summary>Returns once the machine has reached its ordinary state.</summary>
    public async Task TurnOnAsync()
    {
        var said = await TellAsync("on");
        Assert.True(said is not null && said.StartsWith("up ", StringComparison.Ordinal), $"The machine did not come up: {said} {Console()}");
        first = int.Parse(said.Split(' ')[1], CultureInfo.InvariantCulture);
    }

    /// <summary>As its administrator turns it off; returns once nothing of it runs.</summary>
    public async Task TurnOffAsync()
    {
        await RunAsync("systemctl", "poweroff");
        Assert.Equal("down", await TellAsync("off"));
    }

    /// <summary>Runs a program as root in the machine, and expects it to end well.</summary>
    public async Task<string> RunAsync(params string[] words)
    {
        var result = await TryAsync(words);
        Assert.True(result.ExitCode == 0, $"{string.Join(' ', words)}: {result.ExitCode}\n{result.Output}{result.Error}\n{await TroubleAsync()}");
        return result.Output + result.Error;
    }

    /// <summary>The same with any end.</summary>
    public Task<CommandResult> TryAsync(params string[] words) =>
        new Command("/usr/bin/nsenter", ["--target", first.ToString(CultureInfo.InvariantCulture), "--all", "env", "-i", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", .. words]).RunAsync();

    async Task<string> TroubleAsync() => (await TryAsync("journalctl", "--no-pager", "-n", "60")).Output + Console();

    string Console() => File.Exists(Path.Combine(place, "console")) ? File.ReadAllText(Path.Combine(place, "console")) : "";

    async Task<string?> TellAsync(string what)
    {
        await house.StandardInput.WriteLineAsync(what);
        await house.StandardInput.FlushAsync();
        return await house.StandardOutput.ReadLineAsync().WaitAsync(Long);
    }

    static string? Probe()
    {
        if (!File.Exists(Systemd))
        {
            return $"{Systemd} is not installed";
        }

        if (System.Environment.UserName != "root")
        {
            return "a machine with systemd of its own takes root";
        }

        var tried = Places.NewScratch("probe");
        var info = new ProcessStartInfo("/usr/bin/unshare", ["--mount", "--pid", "--uts", "--ipc", "--cgroup", "--net", "--fork", "--kill-child", "sh", "-c", House, "house", tried, OnlyTry, Source]) { UseShellExecute = false, RedirectStandardError = true };
        using var process = Process.Start(info)!;
        var said = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Directory.Delete(tried, recursive: true);
        return process.ExitCode == 0 ? null : $"the kernel gives no machine of its own: {said.Trim()}";
    }
}

using System.Globalization;
using System.Text;
using Paas.Receiver.Access;
using Paas.Receiver.Processes;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Ssh;

/// <summary>
/// OpenSSH's sshd, configured and kept running: our port, our host keys (made once and kept), our users' keys, each with a forced command that
/// brings its owner to <see cref="SshDoor"/>. Nothing else is possible there: no password, no forwarding, no file transfer.
/// </summary>
sealed partial class SshDaemon(SshSettings settings, Keys keys, TimeProvider time, ILogger<SshDaemon> logger) : BackgroundService
{
    static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    static readonly (string Type, string Bits)[] HostKeys = [("ed25519", "256"), ("rsa", "3072")];

    readonly Lock writing = new();

    string ConfigFile => Path.Combine(settings.Directory, "sshd_config");

    string PidFile => Path.Combine(settings.Directory, "sshd.pid");

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        Directory.CreateDirectory(settings.Directory, Private);
        WriteAuthorizedKeys();
        keys.Changed += WriteAuthorizedKeys;
        await base.StartAsync(cancellationToken);
    }

    public override void Dispose()
    {
        keys.Changed -= WriteAuthorizedKeys;
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (settings.Listen is null)
        {
            return;
        }

        if (!File.Exists(settings.Program))
        {
            Log.NotInstalled(logger, settings.Program);
            return;
        }

        var pause = FirstPause;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await MakeHostKeysAsync(stoppingToken);
                AtomicFile.Write(ConfigFile, Configuration());
                await EndLeftoverAsync(stoppingToken);
                var begun = time.GetTimestamp();
                Log.Ended(logger, await RunAsync(stoppingToken));
                pause = time.GetElapsedTime(begun) > LongestPause ? FirstPause : pause;
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (Exception e) when (e is IOException or CommandFailedException or System.ComponentModel.Win32Exception or UnauthorizedAccessException)
            {
                // A full disk or a program that is missing: git over HTTP goes on, and this is tried again.
                Log.CouldNotStart(logger, e);
            }

            await Task.Delay(pause, time, stoppingToken).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }

    /// <summary>One line a key; sshd reads the file anew for each visitor, so a removed key opens nothing from then on.</summary>
    void WriteAuthorizedKeys()
    {
        lock (writing)
        {
            var lines = new StringBuilder();
            foreach (var key in keys.List())
            {
                // A project's key has nothing to do at a terminal.
                var terminal = key.User is null ? "" : "pty,";
                var command = $"exec {Quoted(Path.Combine(settings.Hooks, "ssh-relay"))} {Quoted(settings.Directory)} {key.Id}";
                lines.Append(CultureInfo.InvariantCulture, $"restrict,{terminal}command=\"{command.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\" {key.Type} {key.Body}\n");
            }

            AtomicFile.Write(settings.AuthorizedKeys, lines.ToString());
        }
    }

    async Task MakeHostKeysAsync(CancellationToken ct)
    {
        foreach (var (type, bits) in HostKeys)
        {
            var file = HostKey(type);
            if (File.Exists(file))
            {
                continue;
            }

            // Made beside and moved: a key that is only half there would be refused for ever.
            File.Delete(file + ".new");
            File.Delete(file + ".new.pub");
            await new Command("ssh-keygen", "-q", "-t", type, "-b", bits, "-N", "", "-C", "paas-receiver", "-f", file + ".new").OutputAsync(ct);
            AtomicFile.Rename(file + ".new.pub", file + ".pub");
            AtomicFile.Rename(file + ".new", file);
        }
    }

    /// <summary>An sshd that outlived a receiver which was killed still holds the port. Those who are in through it are let be.</summary>
    async Task EndLeftoverAsync(CancellationToken ct)
    {
        if (!File.Exists(PidFile) || !int.TryParse((await File.ReadAllTextAsync(PidFile, ct)).Trim(), out var process) || !IsOurs(process))
        {
            return;
        }

        PosixSignals.Send(process, PosixSignals.Terminate);
        for (var tries = 0; tries < 250 && IsOurs(process); tries++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), time, ct);
        }
    }

    bool IsOurs(int process) => CommandLines.Names(process, ConfigFile);

    async Task<int> RunAsync(CancellationToken stoppingToken)
    {
        if (System.Environment.IsPrivilegedProcess)
        {
            // Where sshd locks up its unprivileged half; Debian makes it at boot, a container does not.
            Directory.CreateDirectory("/run/sshd", UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
        }

        await using var child = new Command(settings.Program, "-D", "-e", "-f", ConfigFile).Start();
        child.Input.Close();
        await using var stop = stoppingToken.Register(() => child.Signal(PosixSignals.Terminate));
        var output = child.ReadAllAsync(child.Output);
        using var reader = new StreamReader(child.Error);

        // Those who are in keep its error output open after its end: their sessions are not ours to wait for.
        var ended = child.WaitAsync(CancellationToken.None);
        var saying = SayAsync(reader);
        await Task.WhenAny(ended, saying);
        var code = await ended;
        await Task.WhenAny(Task.WhenAll(saying, output), Task.Delay(TimeSpan.FromMilliseconds(200), time, CancellationToken.None));
        stoppingToken.ThrowIfCancellationRequested();
        return code;
    }

    async Task SayAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync() is { } line)
        {
            // Everybody who comes and goes is worth a line only to who looks for it.
            if (line.StartsWith("error:", StringComparison.Ordinal) || line.StartsWith("fatal:", StringComparison.Ordinal))
            {
                Log.Complains(logger, line);
            }
            else
            {
                Log.Says(logger, line);
            }
        }
    }

    string HostKey(string type) => Path.Combine(settings.Directory, $"ssh_host_{type}_key");

    string Configuration() =>
        $"""
        # Written by the receiver at each start.
        ListenAddress {settings.Listen}
        HostKey {Word(HostKey("ed25519"))}
        HostKey {Word(HostKey("rsa"))}
        PidFile {Word(PidFile)}
        AuthorizedKeysFile {Word(settings.AuthorizedKeys)}
        AllowUsers {settings.Account}
        AuthenticationMethods publickey
        PubkeyAuthentication yes
        PasswordAuthentication no
        KbdInteractiveAuthentication no
        HostbasedAuthentication no
        PermitRootLogin forced-commands-only
        StrictModes no
        UsePAM no
        DisableForwarding yes
        PermitTunnel no
        PermitUserEnvironment no
        PermitUserRC no
        AcceptEnv GIT_PROTOCOL LANG
        # bash as a login shell reads ~/.bashrc for a visitor by ssh, unless it believes to be inside of another shell.
        SetEnv SHLVL=1
        PrintMotd no
        PrintLastLog no
        UseDNS no
        LoginGraceTime 20
        MaxAuthTries 20
        MaxSessions 10
        MaxStartups 30:30:100
        ClientAliveInterval 30
        ClientAliveCountMax 4
        LogLevel INFO

        """;

    // % begins one of sshd's own placeholders.
    static string Word(string path) => '"' + path.Replace("%", "%%", StringComparison.Ordinal) + '"';

    static string Quoted(string word) => "'" + word.Replace("'", "'\\''", StringComparison.Ordinal) + "'";

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "There is no {Program}: nobody can come by ssh. Install openssh-server, or set PAAS_SSH_LISTEN to nothing")]
        public static partial void NotInstalled(ILogger logger, string program);

        [LoggerMessage(Level = LogLevel.Error, Message = "sshd ended with {Code} and is started again")]
        public static partial void Ended(ILogger logger, int code);

        [LoggerMessage(Level = LogLevel.Error, Message = "sshd could not be started; it is tried again")]
        public static partial void CouldNotStart(ILogger logger, Exception trouble);

        [LoggerMessage(Level = LogLevel.Warning, Message = "sshd: {Line}")]
        public static partial void Complains(ILogger logger, string line);

        [LoggerMessage(Level = LogLevel.Debug, Message = "sshd: {Line}")]
        public static partial void Says(ILogger logger, string line);
    }
}

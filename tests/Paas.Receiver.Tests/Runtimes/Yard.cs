using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;
using Environment = Paas.Receiver.Projects.Environment;

namespace Paas.Receiver.Runtimes;

/// <summary>A root of its own with one project, a place that takes exit reports as the receiver does, and fleets over both. Leaves nothing behind.</summary>
sealed class Yard : IAsyncDisposable
{
    public const string Python = "/usr/bin/python3";

    // One small program that does what its first argument says.
    const string App = """
        import os, signal, socket, subprocess, sys, time
        def out(text):
            print(text, flush=True)
        def serve(port, limit=None, family=socket.AF_INET, host='127.0.0.1'):
            listener = socket.socket(family)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(64)
            out('listening on %d' % port)
            while limit is None or limit > 0:
                client, _ = listener.accept()
                client.recv(1000)
                try:
                    client.sendall(('HTTP/1.0 200 OK\r\n\r\n%s %d' % (os.environ['PAAS_INSTANCE'], os.getpid())).encode())
                except OSError:
                    pass
                client.close()
                limit = limit and limit - 1
        what, port = sys.argv[1], int(os.environ.get('PORT', '0'))
        if what == 'serve':
            serve(port)
        elif what == 'serve6':
            serve(port, family=socket.AF_INET6, host='::1')
        elif what == 'elsewhere':
            serve(int(sys.argv[2]))
        elif what == 'sleep':
            out('only sleeping')
            time.sleep(1000)
        elif what == 'serve-then-die':
            serve(port, limit=int(sys.argv[2]))
            out('dying now')
            sys.exit(7)
        elif what == 'deaf':
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            serve(port)
        elif what == 'slow-to-stop':
            def finish(*_):
                time.sleep(0.3)
                open(os.environ['PAAS_DATA_DIR'] + '/finished', 'w').close()
                os._exit(0)
            signal.signal(signal.SIGTERM, finish)
            serve(port)
        elif what == 'fork-away':
            # Out of the group, the session, the parent and the environment.
            subprocess.Popen(['/usr/bin/env', '-i', '/usr/bin/setsid', '-f', '/bin/sh', '-c', 'trap "" TERM; while :; do sleep 1000; done'])
            subprocess.Popen(['/usr/bin/setsid', '-f', '/bin/sleep', '1000'])
            serve(port)
        elif what == 'wait-for-port':
            go = os.environ['PAAS_DATA_DIR'] + '/go'
            while not os.path.exists(go):
                time.sleep(0.005)
            serve(port)
        elif what == 'shout':
            block = b''.join(b'%07d the quick brown fox jumps over the lazy dog\n' % n for n in range(20000))
            for n in range(int(sys.argv[2]) * 1000000 // len(block)):
                os.write(1, block)
            serve(port)
        elif what == 'binary':
            for n in range(64):
                os.write(1, os.urandom(65536))
            os.write(1, b'\n\x1b[31mred\x1b[0m \xff\xfe end\n')
            serve(port)
        """;

    readonly ReportDoor door = new();
    readonly List<Fleet> fleets = [];

    readonly Database database;

    Yard(string place, Cage cage, Database database, ProjectUsers users)
    {
        Place = place;
        Cage = cage;
        this.database = database;
        Users = users;
        Environment = new Environment(EnvironmentName.Parse("local"), Guid.Empty, EnvironmentType.Staging, Mode.Cooking, place, IsDefault: true);
        Project = NewProject("shop");
        door.Report = (id, key, code) => fleets.ToArray().Any(fleet => fleet.ReportExit(id, key, code));
    }

    public string Place { get; }

    public Cage Cage { get; }

    /// <summary>As the receiver has them: where it is root, each project is a user of its own.</summary>
    public ProjectUsers Users { get; }

    public Environment Environment { get; }

    public Project Project { get; }

    public string State => Path.Combine(Place, "state");

    public FleetSettings Settings => new() { Root = Place, State = State, Hooks = HooksOfTheRepository(), ReportPort = () => door.Port };

    public static bool CanRun(string needed = Python)
    {
        if (File.Exists(needed))
        {
            return true;
        }

        Console.WriteLine($"not run: {needed} is not installed");
        return false;
    }

    public static async Task<Yard> NewAsync(CageKind? kind = null, string? below = null, CageLimits? limits = null)
    {
        var place = Directory.CreateTempSubdirectory("yard-").FullName;
        if (below is not null)
        {
            Directory.Delete(place);
            place = Directory.CreateDirectory(Path.Combine(below, Path.GetFileName(place))).FullName;
        }

        // A root that others may pass through, as /srv is; what is below it guards itself.
        File.SetUnixFileMode(place, File.GetUnixFileMode(place) | UnixFileMode.OtherExecute);
        var state = Directory.CreateDirectory(Path.Combine(place, "state"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;
        var opened = Database.OpenOrCreate(Path.Combine(state, "receiver.db"));
        var users = new ProjectUsers(opened, place, (70_000, 99_999), TimeProvider.System);
        var cage = kind is { } given ? Cage.Of(given, limits, users.SettleIn) : await Cage.ProbeAsync(state, limits ?? CageLimits.None, users.SettleIn);
        return new Yard(place, cage, opened, users);
    }

    // No test here runs a container: whoever asked this engine would find none.
    readonly Containers.Engine engine = new(new Containers.EngineAddress("/nonexistent/docker.sock", 0));

    public Project NewProject(string name)
    {
        var project = new Project(Environment, ProjectName.Parse(name));
        Directory.CreateDirectory(project.Data);
        Directory.CreateDirectory(project.Deploy);
        return project;
    }

    /// <param name="supervisor">A program that is not ours.</param>
    public Fleet NewFleet(string? supervisor = null, ILogger<Fleet>? logger = null)
    {
        var fleet = new Fleet(Cage, Settings with { Supervisor = supervisor }, engine, TimeProvider.System, logger ?? NullLogger<Fleet>.Instance);
        fleets.Add(fleet);
        return fleet;
    }

    /// <summary>The receiver is gone, its applications are not.</summary>
    public async Task LeaveAsync(Fleet fleet)
    {
        fleets.Remove(fleet);
        await fleet.DisposeAsync();
    }

    public void CloseDoor() => door.Dispose();

    /// <summary>A release whose one web process does what the small program is told to.</summary>
    public Launch NewLaunch(string what, Project? project = null) => NewLaunchOf([new ProcessType("web", $"{Python} app.py {what}", 1, Web: true)], project);

    public Launch NewLaunchOf(IReadOnlyList<ProcessType> types, Project? project = null)
    {
        var owner = project ?? Project;
        var release = ReleaseId.New(TimeProvider.System);
        var directory = Directory.CreateDirectory(Path.Combine(owner.Deploy, release.Value)).FullName;
        File.WriteAllText(Path.Combine(directory, "app.py"), App);
        return new Launch
        {
            Project = owner,
            Release = release,
            Number = 3,
            Directory = directory,
            Types = types,
            StartTimeout = TimeSpan.FromSeconds(20),
            StopTimeout = TimeSpan.FromSeconds(10),
        };
    }

    /// <summary>What the instance's process answers: its id and its process id.</summary>
    public static async Task<string> AskAsync(Backend backend)
    {
        using var client = new HttpClient { Timeout = TimeSpan.FromSeconds(10) };
        return await client.GetStringAsync(new Uri($"http://{backend.Address}/"));
    }

    /// <summary>Waits for something that no event tells a test of.</summary>
    public static async Task UntilAsync(Func<bool> happened, string what, double seconds = 20)
    {
        var begun = Stopwatch.StartNew();
        while (!happened())
        {
            Xunit.Assert.True(begun.Elapsed.TotalSeconds < seconds, $"not within {seconds} s: {what}");
            await Task.Delay(5);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var fleet in fleets.ToArray())
        {
            await fleet.DisposeAsync();
        }

        // Stops whatever a test left running, by the means of the house.
        await using (var last = NewFleet())
        {
            await last.AdoptAsync([]);
        }

        door.Dispose();
        database.Dispose();
        Xunit.Assert.Empty(Stragglers.Find(Path.GetFileName(Place)));
        await Cage.RemoveAsync(Place);
    }

    static string HooksOfTheRepository()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory!.FullName, "Paas.Receiver.sln")))
        {
            directory = directory.Parent;
        }

        return Path.Combine(directory.FullName, "hooks");
    }

    /// <summary>GET /instance/exit/ID/KEY/CODE over a plain socket.</summary>
    sealed class ReportDoor : IDisposable
    {
        readonly TcpListener listener = new(IPAddress.Loopback, 0);

        public ReportDoor()
        {
            listener.Start();
            Port = ((IPEndPoint)listener.LocalEndpoint).Port;
            _ = AnswerAsync();
        }

        public Func<string, string, int, bool>? Report { get; set; }

        public int Port { get; }

        public void Dispose() => listener.Dispose();

        async Task AnswerAsync()
        {
            try
            {
                while (true)
                {
                    using var client = await listener.AcceptTcpClientAsync();
                    var stream = client.GetStream();
                    using var reader = new StreamReader(stream);
                    var request = await reader.ReadLineAsync();
                    while (await reader.ReadLineAsync() is { Length: > 0 })
                    {
                    }

                    var path = request?.Split(' ')[1].Split('/') ?? [];
                    var taken = path is ["", "instance", "exit", var id, var key, var code] && Report!(id, key, int.Parse(code));
                    await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 {(taken ? "200 OK" : "404 Not Found")}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
                }
            }
            catch (Exception e) when (e is ObjectDisposedException or SocketException or IOException)
            {
            }
        }
    }
}

using System.Collections.Concurrent;
using System.Globalization;
using System.IO.Pipes;
using System.Text;
using Paas.Receiver.Processes;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Git;

/// <summary>The pushes that are being received now, and the named pipes through which git's hooks and the receiver talk.</summary>
/// <remarks>
/// <c>&lt;state&gt;/ring</c> is one pipe for all: a hook writes one line, <c>pre-receive ID</c>, and that is the bell. Each push has a
/// directory <c>&lt;state&gt;/pushes/ID</c> (0700) with a pipe <c>HOOK.answer</c> that the hook copies to its output, and a file
/// <c>HOOK.code</c> it ends with. A hook without a code file has lost its receiver and fails.
/// </remarks>
sealed class OpenPushes
{
    readonly ConcurrentDictionary<string, OpenPush> open = new();
    readonly string directory;

    /// <param name="state">The receiver's own directory.</param>
    public OpenPushes(string state)
    {
        directory = Path.Combine(state, "pushes");
        Ring = Path.Combine(state, "ring");
        Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        if (!File.Exists(Ring))
        {
            Fifo.Create(Ring);
        }
    }

    /// <summary>The bell.</summary>
    public string Ring { get; }

    public int Count => open.Count;

    /// <summary>A push begins. Dispose the result when receive-pack has ended.</summary>
    /// <param name="makesProject">The project is taken back when nothing of the push is accepted, even by a receiver that starts after this one was killed.</param>
    public OpenPush Open(Push push, bool makesProject)
    {
        var opened = new OpenPush(push, makesProject, Path.Combine(directory, push.Id), Ring, () => open.TryRemove(push.Id, out _));
        open[push.Id] = opened;
        return opened;
    }

    public OpenPush? Find(string id) => open.GetValueOrDefault(id);

    /// <summary>
    /// At start-up, before the first push: frees hooks that wait for a receiver that was killed (they fail, no ref moves) and removes
    /// what its pushes left, in their repositories too.
    /// </summary>
    public void SweepLeftovers(GitProgram git, Newcomers newcomers)
    {
        foreach (var leftover in Directory.EnumerateDirectories(directory).Where(path => !open.ContainsKey(Path.GetFileName(path))))
        {
            var pipes = Directory.EnumerateFiles(leftover, "*.answer").ToList();
            var repository = Path.Combine(leftover, OpenPush.RepositoryFile);
            if (File.Exists(repository))
            {
                new GitRepository(File.ReadAllText(repository), git).SweepLeftovers();
            }

            var project = Path.Combine(leftover, OpenPush.ProjectFile);
            if (File.Exists(project))
            {
                newcomers.ForgetIfEmpty(File.ReadAllText(project));
            }

            // The names go first, so that a hook which comes now finds nothing; whoever holds a pipe already is woken through the new name.
            var gone = leftover + ".gone";
            AtomicFile.Rename(leftover, gone);
            pipes.ForEach(pipe => Fifo.Unblock(Path.Combine(gone, Path.GetFileName(pipe))));
            Directory.Delete(gone, recursive: true);
        }
    }
}

/// <summary>One push while it is received.</summary>
sealed class OpenPush : IDisposable
{
    public const string PreReceive = "pre-receive";
    public const string Update = "update";
    public const string PostReceive = "post-receive";

    internal const string RepositoryFile = "repository";
    internal const string ProjectFile = "new-project";

    const string Deploys = "deploys";
    const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    static readonly string[] Hooks = [PreReceive, Update, PostReceive];

    // Nothing in this directory outlives the receiver, so its files are written without the cost of durability.
    static readonly UTF8Encoding Plain = new(encoderShouldEmitUTF8Identifier: false);

    readonly ConcurrentDictionary<string, Stream> answers = new();
    readonly CancellationTokenSource ended = new();
    readonly TaskCompletionSource<HashSet<string>> moved = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly string directory;
    readonly Action closed;

    internal OpenPush(Push push, bool makesProject, string directory, string ring, Action closed)
    {
        Push = push;
        this.directory = directory;
        this.closed = closed;
        Directory.CreateDirectory(directory, OwnerOnly);
        try
        {
            File.WriteAllText(Path.Combine(directory, RepositoryFile), push.RepositoryPath, Plain);
            if (makesProject)
            {
                File.WriteAllText(Path.Combine(directory, ProjectFile), push.Project.Key, Plain);
            }

            foreach (var hook in Hooks)
            {
                var pipe = Path.Combine(directory, hook + ".answer");
                Fifo.Create(pipe);
                answers[hook] = Fifo.Open(pipe, PipeDirection.Out);
            }
        }
        catch
        {
            // A full disk: a push that never was leaves nothing.
            Dispose();
            throw;
        }

        HookEnvironment = new Dictionary<string, string> { ["PAAS_PUSH"] = directory, ["PAAS_RING"] = ring };
    }

    /// <summary>Complete, with options and refs, once it was accepted.</summary>
    public Push Push { get; private set; }

    /// <summary>Null until the push was accepted.</summary>
    public RefVerdict? Verdict { get; private set; }

    /// <summary>All that the hooks know of us.</summary>
    public IReadOnlyDictionary<string, string> HookEnvironment { get; }

    /// <summary>Cancelled when receive-pack is gone: nobody reads an answer any more.</summary>
    public CancellationToken Ended => ended.Token;

    /// <summary>What pre-receive has to tell: the pusher's options and the refs.</summary>
    /// <exception cref="InvalidDataException">The hook's file is not whole.</exception>
    public (IReadOnlyList<string> Options, IReadOnlyList<RefUpdate> Updates) ReadRequest() => ParseRequest(File.ReadAllBytes(Path.Combine(directory, PreReceive)));

    /// <summary>The refs that have moved, as post-receive says.</summary>
    public IReadOnlyList<RefUpdate> ReadMoved() => ParseUpdates(File.ReadAllBytes(Path.Combine(directory, PostReceive)));

    /// <summary>Names of the refs that git moved; completes at the end of the push at the latest.</summary>
    public Task<HashSet<string>> RefsMoved => moved.Task;

    /// <summary>To be said before pre-receive is let go. Where the ref that deploys waits, its <c>update</c> hook rings; all others pass without a sound.</summary>
    public void Accept(Push push, RefVerdict verdict, bool waits)
    {
        (Push, Verdict) = (push, verdict);
        File.WriteAllText(Path.Combine(directory, Deploys), ((waits ? verdict.Deploys?.Name : null) ?? "-") + "\n", Plain);
    }

    public void MarkRefsMoved(HashSet<string> names) => moved.TrySetResult(names);

    /// <summary>The way to one hook's output. Null when it was taken before: a hook is answered once.</summary>
    public HookAnswer? Answer(string hook) =>
        answers.TryRemove(hook, out var pipe) ? new HookAnswer(pipe, Path.Combine(directory, hook + ".code")) : null;

    public void Dispose()
    {
        closed();
        ended.Cancel();
        moved.TrySetResult([]);
        foreach (var hook in Hooks)
        {
            if (answers.TryRemove(hook, out var pipe))
            {
                pipe.Dispose();
            }
        }

        try
        {
            Directory.Delete(directory, recursive: true);
        }
        catch (IOException)
        {
            // An answer that is just being written; the next start sweeps it.
        }
    }

    internal static (IReadOnlyList<string> Options, IReadOnlyList<RefUpdate> Updates) ParseRequest(ReadOnlySpan<byte> request)
    {
        var count = int.TryParse(Next(ref request), CultureInfo.InvariantCulture, out var number) && number >= 0 ? number : throw new InvalidDataException("the number of push options is missing");
        var options = new List<string>();
        for (var i = 0; i < count; i++)
        {
            options.Add(Next(ref request));
        }

        return (options, ParseUpdates(request));

        static string Next(ref ReadOnlySpan<byte> rest)
        {
            var end = rest.IndexOf((byte)0);
            var text = end >= 0 ? Encoding.UTF8.GetString(rest[..end]) : throw new InvalidDataException("a push option is cut off");
            rest = rest[(end + 1)..];
            return text;
        }
    }

    // OLD SP NEW SP NAME LF. What is not UTF-8 reads as U+FFFD, which no name may hold.
    static List<RefUpdate> ParseUpdates(ReadOnlySpan<byte> lines)
    {
        const int Id = 40;
        var updates = new List<RefUpdate>();
        while (!lines.IsEmpty)
        {
            var end = lines.IndexOf((byte)'\n');
            var line = end > (2 * Id) + 2 ? lines[..end] : throw new InvalidDataException("a ref update is cut off");
            var update = new RefUpdate(Encoding.UTF8.GetString(line[((2 * Id) + 2)..]), Encoding.ASCII.GetString(line[..Id]), Encoding.ASCII.GetString(line[(Id + 1)..((2 * Id) + 1)]));
            updates.Add(RefUpdate.IsObjectId(update.Old) && RefUpdate.IsObjectId(update.New) ? update : throw new InvalidDataException("a ref update is malformed"));
            lines = lines[(end + 1)..];
        }

        return updates;
    }
}

/// <summary>Lines to a hook's output, then the code it ends with. Without a code the hook fails.</summary>
sealed class HookAnswer(Stream pipe, string codeFile) : IDisposable
{
    public async Task SayAsync(string line, CancellationToken ct) => await pipe.WriteAsync(Encoding.UTF8.GetBytes(line + "\n"), ct);

    /// <summary>Lets the hook go. Nothing can be said afterwards.</summary>
    public void End(int code)
    {
        // The code is there before the pipe's end tells the hook to read it.
        File.WriteAllText(codeFile, code.ToString(CultureInfo.InvariantCulture) + "\n", Encoding.ASCII);
        pipe.Dispose();
    }

    public void Dispose() => pipe.Dispose();
}

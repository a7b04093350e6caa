using System.Buffers;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace Paas.Receiver.Routing;

/// <summary>
/// One HTTP/1.1 connection to an application: a socket, what was received and not yet used, and the answer's head.
/// While it is idle its next receive is already under way, so that a connection the application has closed is never used again.
/// </summary>
sealed class UpstreamConnection : IDisposable
{
    const int OwnBuffer = 4 * 1024;
    const int WideBuffer = 32 * 1024;
    const int LargestHead = 64 * 1024;

    readonly Socket socket;
    readonly Target target;
    byte[] own = GC.AllocateUninitializedArray<byte>(OwnBuffer); // all that an idle connection holds
    byte[] buffer;
    int start;
    int end;
    ValueTask<int> ahead;
    bool isAhead;
    long deadline;

    UpstreamConnection(Socket socket, Target target)
    {
        this.socket = socket;
        this.target = target;
        buffer = own;
    }

    public Projects.Backend Backend => target.Backend;

    public ResponseHead Head { get; } = new();

    /// <summary>It carried a request before this one; so the application may have closed it without having seen this one.</summary>
    public bool WasUsed { get; private set; }

    /// <summary>The application did not answer in time; that is why the connection ended.</summary>
    public bool TimedOut { get; private set; }

    /// <summary>A timestamp.</summary>
    public long IdleSince { get; private set; }

    /// <summary>While idle: nothing has come, neither the end nor bytes nobody asked for. Only who took it out of the pool may ask.</summary>
    public bool IsOpenStill => !ahead.IsCompleted;

    /// <summary>What was received and not yet used.</summary>
    public Memory<byte> Buffered => buffer.AsMemory(start, end - start);

    public bool HasBuffered => end > start;

    public static async ValueTask<UpstreamConnection?> OpenAsync(Target target, TimeSpan patience, TimeProvider time, CancellationToken ct)
    {
        var backend = target.Backend;
        var fresh = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            fresh.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
            await using var timer = time.CreateTimer(static state => ((CancellationTokenSource)state!).Cancel(), limit, patience, Timeout.InfiniteTimeSpan);
            await (IPAddress.TryParse(backend.Host, out var address)
                ? fresh.ConnectAsync(address, backend.Port, limit.Token)
                : fresh.ConnectAsync(backend.Host, backend.Port, limit.Token));
            InlineCompletions.Prefer(fresh);
            fresh.Blocking = false; // what is asked for without waiting is answered without waiting
            return new UpstreamConnection(fresh, target);
        }
        catch (Exception trouble) when (trouble is SocketException or OperationCanceledException)
        {
            fresh.Dispose();
            ct.ThrowIfCancellationRequested();
            return null;
        }
    }

    /// <summary>From now on the answer may take this long; <see cref="Relax"/> ends the limit.</summary>
    public void ExpectBy(long timestamp) => Volatile.Write(ref deadline, timestamp);

    public void Relax() => Volatile.Write(ref deadline, 0);

    public async ValueTask SendAsync(ReadOnlyMemory<byte> data)
    {
        while (data.Length > 0)
        {
            data = data[await socket.SendAsync(data, SocketFlags.None)..];
        }
    }

    /// <summary>No more of the request will come.</summary>
    public void EndSending() => socket.Shutdown(SocketShutdown.Send);

    /// <summary>Sees to it that something can be received into the buffer. False when it is full of what was not used yet.</summary>
    public bool MakeRoom()
    {
        if (isAhead)
        {
            return true;
        }

        if (start == end)
        {
            start = end = 0;
        }

        if (buffer == own && end > 0)
        {
            Widen(WideBuffer);
        }
        else if (end == buffer.Length && start > 0)
        {
            buffer.AsSpan(start, end - start).CopyTo(buffer);
            (start, end) = (0, end - start);
        }

        return end < buffer.Length;
    }

    /// <summary>Receives once into the buffer, which has room. 0 is the end.</summary>
    /// <exception cref="SocketException">The application reset the connection, or it was ended on our side.</exception>
    public ValueTask<int> ReceiveAsync()
    {
        if (isAhead)
        {
            isAhead = false;
            return TakeAheadAsync();
        }

        return AddAsync(socket.ReceiveAsync(buffer.AsMemory(end), SocketFlags.None));
    }

    /// <summary>Waits until there is something to receive, without holding a buffer; false at the end.</summary>
    public async ValueTask WaitForDataAsync() => await socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None);

    /// <summary>Receives past the buffer what is there already, <paramref name="most"/> bytes at most; 0 at the end, -1 when nothing is there yet.</summary>
    /// <exception cref="SocketException">The application reset the connection, or it was ended on our side.</exception>
    public int TryReceive(Span<byte> into, long most)
    {
        var count = socket.Receive(into.Length > most ? into[..(int)most] : into, SocketFlags.None, out var trouble);
        return trouble switch
        {
            SocketError.Success => count,
            SocketError.WouldBlock => -1,
            _ => throw new SocketException((int)trouble),
        };
    }

    /// <summary>Receives past the buffer.</summary>
    public ValueTask<int> ReceiveAsync(Memory<byte> into) => socket.ReceiveAsync(into, SocketFlags.None);

    public void Use(int count) => start += count;

    /// <summary>Nothing is read into the buffer again: an upgraded connection that sleeps costs no memory it does not need.</summary>
    public void DropBuffer()
    {
        BackToOwn();
        (own, buffer, start, end) = ([], [], 0, 0);
    }

    /// <summary>
    /// The next head, final or interim, into <see cref="Head"/>. False when the connection ended before its first byte.
    /// </summary>
    /// <exception cref="BadAnswerException">What came is not HTTP, or was cut off.</exception>
    /// <exception cref="SocketException">The connection was reset.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<bool> ReceiveHeadAsync()
    {
        var searched = 0;
        while (true)
        {
            if (ResponseHead.LengthOf(Buffered.Span, ref searched) is > 0 and var length)
            {
                Head.Read(Buffered.Span[..length]);
                Use(length);
                return true;
            }

            if (end - start >= LargestHead)
            {
                throw new BadAnswerException($"the head of the answer is longer than {LargestHead} bytes");
            }

            if (!MakeRoom())
            {
                Widen(LargestHead);
            }

            if (await ReceiveAsync() == 0)
            {
                return HasBuffered ? throw new BadAnswerException("the connection ended within the head of the answer") : false;
            }
        }
    }

    /// <summary>Starts to listen for the next answer. False when it cannot carry one.</summary>
    public bool BecomeIdle(long now)
    {
        if (HasBuffered)
        {
            return false; // bytes nobody asked for would be taken for the next answer
        }

        start = end = 0;
        BackToOwn();
        WasUsed = true;
        Relax();
        try
        {
            ahead = socket.ReceiveAsync(buffer.AsMemory(), SocketFlags.None);
        }
        catch (ObjectDisposedException)
        {
            return false;
        }

        isAhead = true;
        IdleSince = now;
        return !ahead.IsCompleted;
    }

    /// <summary>Called from the sweep.</summary>
    public void EndIfOverdue(long now)
    {
        var limit = Volatile.Read(ref deadline);
        if (limit != 0 && now > limit)
        {
            TimedOut = true;
            Dispose();
        }
    }

    /// <summary>Ends an idle connection as HTTP expects it. Without the shutdown the socket would be reset, because a receive is under way.</summary>
    public void Close()
    {
        try
        {
            socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            // the other side was faster
        }

        Dispose();
    }

    /// <summary>Ends the connection; whatever waits on it wakes up with an exception. May be called from anywhere, more than once.</summary>
    public void Dispose()
    {
        target.Forget(this);
        socket.Dispose();
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    async ValueTask<int> TakeAheadAsync() => end = await ahead;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    async ValueTask<int> AddAsync(ValueTask<int> receiving)
    {
        var received = await receiving;
        end += received;
        return received;
    }

    void Widen(int size)
    {
        var wide = ArrayPool<byte>.Shared.Rent(size);
        buffer.AsSpan(start, end - start).CopyTo(wide);
        (start, end) = (0, end - start);
        BackToOwn();
        buffer = wide;
    }

    // Only who uses the connection gives a wide buffer back. One that is ended from outside may still be received into: that buffer goes the long way.
    void BackToOwn()
    {
        if (buffer != own && buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        buffer = own;
    }
}

/// <summary>The application answered with something that cannot be passed on. The message is for the operator, never for the visitor.</summary>
sealed class BadAnswerException(string message) : Exception(message);

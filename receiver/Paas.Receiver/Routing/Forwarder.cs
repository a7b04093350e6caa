using System.Buffers;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Primitives;
using Paas.Receiver.Access;

namespace Paas.Receiver.Routing;

/// <summary>How an attempt to have a request answered ended.</summary>
enum Attempt
{
    /// <summary>The visitor has the answer, or has gone.</summary>
    Answered,

    /// <summary>No connection: nothing was sent and another backend may be asked.</summary>
    Unreachable,

    /// <summary>The application ended the connection, or did not speak HTTP, before an answer began.</summary>
    Broken,

    /// <summary>The application took too long.</summary>
    TimedOut,

    /// <summary>A connection used before was closed before a byte of an answer came, and the request may be sent twice.</summary>
    Unseen,
}

/// <summary>
/// Carries one request to one target and its answer back, nothing of either kept:
/// 1 take a connection, 2 send the head (and a body that is there already), 3 send the body while listening, 4 receive the head of the answer,
/// 5 pass it on, 6 pass the body on as it comes, 7 keep the connection if both agree where the answer ended.
/// </summary>
sealed partial class Forwarder(RouterOptions options, Proxies proxies, TimeProvider time, ILogger log)
{
    const int SmallBody = 8 * 1024;
    const int LargestPiece = 64 * 1024;
    const int MostInterim = 32;

    // An application's keep-alive lasts a second at the very least; a request that must not be sent twice takes no connection that lay longer.
    static readonly TimeSpan FreshEnough = TimeSpan.FromMilliseconds(500);

    /// <exception cref="BadHttpRequestException">The request's fault; nothing was answered yet.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<Attempt> ForwardAsync(HttpContext context, Target target)
    {
        var shape = RequestShape.Of(context);
        if (target.TakeIdle(shape.IsRepeatable ? TimeSpan.MaxValue : FreshEnough) is { } used) // 1
        {
            var attempt = await new Exchange(this, context, used, shape).RunAsync(target);
            if (attempt != Attempt.Unseen)
            {
                return attempt;
            }
        }

        return await target.ConnectAsync(context.RequestAborted) is { } connection
            ? await new Exchange(this, context, connection, shape).RunAsync(target)
            : Attempt.Unreachable;
    }

    /// <summary>One request on one connection.</summary>
    sealed class Exchange(Forwarder forwarder, HttpContext context, UpstreamConnection connection, RequestShape shape)
    {
        readonly ResponseHead head = connection.Head;
        Task<Upload>? upload;
        bool answerBegan;

        enum Upload
        {
            Complete, VisitorGone, ApplicationGone, Stopped,
        }

        [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
        public async ValueTask<Attempt> RunAsync(Target target)
        {
            var keep = false;
            await using var abort = context.RequestAborted.UnsafeRegister(static state => ((UpstreamConnection)state!).Dispose(), connection);
            try
            {
                await SendHeadAsync(); // 2, 3
                if (!await ReceiveFinalHeadAsync()) // 4
                {
                    return NothingCame(null);
                }

                connection.Relax();
                if (head.Status == StatusCodes.Status101SwitchingProtocols)
                {
                    await UpgradeAsync();
                    return Attempt.Answered;
                }

                ApplyHead(); // 5
                keep = await PassBodyAsync() && head.KeepsAlive && (upload is null ? !shape.ExpectsContinue : upload is { IsCompletedSuccessfully: true } done && done.Result == Upload.Complete); // 6
                return Attempt.Answered;
            }
            catch (Exception trouble) when (trouble is SocketException or ObjectDisposedException or BadAnswerException or OperationCanceledException or (IOException and not BadHttpRequestException))
            {
                return await AfterTroubleAsync(trouble);
            }
            finally
            {
                await StopUploadAsync();
                if (keep)
                {
                    await abort.DisposeAsync(); // from here on another request's connection
                    target.GiveBack(connection); // 7
                }
                else
                {
                    connection.Dispose();
                }
            }
        }

        async ValueTask SendHeadAsync()
        {
            var trusted = forwarder.Proxies.Trusts(context.Connection.RemoteIpAddress);
            var request = RequestHead.Of(context, shape, trusted);
            var bodyWentAlong = false;
            try
            {
                bodyWentAlong = shape is { HasBody: true, ExpectsContinue: false, Length: <= SmallBody } && TakeBodyAlong(ref request);
                await connection.SendAsync(request.Bytes);
            }
            finally
            {
                request.Dispose();
            }

            if (shape.HasBody && !bodyWentAlong)
            {
                if (!shape.ExpectsContinue)
                {
                    upload = UploadAsync();
                }
            }
            else
            {
                ExpectAnswer();
                upload = bodyWentAlong ? Task.FromResult(Upload.Complete) : null;
            }
        }

        bool TakeBodyAlong(ref RequestHead request)
        {
            var reader = context.Request.BodyReader;
            if (!reader.TryRead(out var read))
            {
                return false;
            }

            if (read.Buffer.Length == shape.Length)
            {
                request.Append(read.Buffer);
                reader.AdvanceTo(read.Buffer.End);
                return true;
            }

            reader.AdvanceTo(read.Buffer.Start);
            return false;
        }

        // A body that comes by the byte would hold a connection to the application for ever. HTTP/2 has no such limit to set.
        void RefuseToCrawl()
        {
            if (forwarder.Options.SlowestBody is { } slowest && !HttpProtocol.IsHttp2(context.Request.Protocol) && context.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate)
            {
                rate.MinDataRate = slowest;
            }
        }

        void ExpectAnswer() => connection.ExpectBy(forwarder.After(forwarder.Options.ResponseTimeout));

        // Both directions at once: an application that answers before it has read everything must be heard, or both wait for ever.
        async Task<Upload> UploadAsync()
        {
            RefuseToCrawl();
            var reader = context.Request.BodyReader;
            while (true)
            {
                System.IO.Pipelines.ReadResult read;
                try
                {
                    read = await reader.ReadAsync();
                }
                catch (BadHttpRequestException)
                {
                    connection.Dispose();
                    throw;
                }
                catch (Exception gone) when (gone is IOException or OperationCanceledException)
                {
                    connection.Dispose(); // the application must not take half a body for a whole one
                    return Upload.VisitorGone;
                }

                if (read.IsCanceled)
                {
                    return Upload.Stopped;
                }

                try
                {
                    await SendPiecesAsync(read.Buffer);
                    reader.AdvanceTo(read.Buffer.End);
                    if (read.IsCompleted)
                    {
                        if (shape.Length is null)
                        {
                            await connection.SendAsync(LastChunk());
                        }

                        ExpectAnswer();
                        return Upload.Complete;
                    }
                }
                catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
                {
                    return Upload.ApplicationGone; // it may have answered first; whoever listens knows
                }
            }
        }

        async ValueTask SendPiecesAsync(ReadOnlySequence<byte> body)
        {
            while (body.Length > 0)
            {
                var piece = body.Slice(0, Math.Min(body.Length, LargestPiece - 16));
                var rented = ArrayPool<byte>.Shared.Rent((int)piece.Length + 16);
                try
                {
                    var length = 0;
                    if (shape.Length is null)
                    {
                        length = Encoding.ASCII.GetBytes($"{piece.Length:x}\r\n", rented);
                    }

                    piece.CopyTo(rented.AsSpan(length));
                    length += (int)piece.Length;
                    if (shape.Length is null)
                    {
                        "\r\n"u8.CopyTo(rented.AsSpan(length));
                        length += 2;
                    }

                    await connection.SendAsync(rented.AsMemory(0, length));
                }
                finally
                {
                    ArrayPool<byte>.Shared.Return(rented);
                }

                body = body.Slice(piece.Length);
            }
        }

        byte[] LastChunk()
        {
            var text = new StringBuilder("0\r\n");
            if (context.Features.Get<IHttpRequestTrailersFeature>() is { Available: true } feature)
            {
                foreach (var (name, values) in feature.Trailers)
                {
                    if (HeaderRules.OfRequest(name) == HeaderRule.EndToEnd && values.ToString() is var value && value.AsSpan().IndexOfAny('\r', '\n', '\0') < 0)
                    {
                        text.Append(name).Append(": ").Append(value).Append("\r\n");
                    }
                }
            }

            return Encoding.Latin1.GetBytes(text.Append("\r\n").ToString());
        }

        /// <summary>The head after the interim ones. False when the connection ended before its first byte.</summary>
        [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
        async ValueTask<bool> ReceiveFinalHeadAsync()
        {
            for (var interim = 0; await (shape.ExpectsContinue && interim == 0 ? AnswerOrPatienceAsync() : connection.ReceiveHeadAsync());)
            {
                answerBegan = true;
                if (head.Status == StatusCodes.Status100Continue)
                {
                    StartWaitingUpload();
                }
                else if (head.IsInterim)
                {
                    await PassInterimAsync();
                }
                else
                {
                    return head.Status != StatusCodes.Status101SwitchingProtocols || shape.Upgrade is not null
                        ? true : throw new BadAnswerException("101 to a request that asked for no upgrade");
                }

                if (++interim > MostInterim)
                {
                    throw new BadAnswerException($"more than {MostInterim} interim answers");
                }
            }

            return false;
        }

        async ValueTask<bool> AnswerOrPatienceAsync()
        {
            var receiving = connection.ReceiveHeadAsync().AsTask();
            try
            {
                return await receiving.WaitAsync(forwarder.Options.ContinueTimeout, forwarder.Time);
            }
            catch (TimeoutException)
            {
                StartWaitingUpload();
                return await receiving;
            }
        }

        void StartWaitingUpload()
        {
            if (shape.HasBody)
            {
                upload ??= UploadAsync();
            }
        }

        // Kestrel has no way to send an interim answer, so it is written to the connection below it; never while Kestrel may write there itself.
        async ValueTask PassInterimAsync()
        {
            if (shape.ExpectsContinue || context.Request.Protocol != "HTTP/1.1"
                || context.Features.Get<IConnectionTransportFeature>() is not { } below)
            {
                return;
            }

            var text = new StringBuilder($"HTTP/1.1 {head.Status} {head.Reason}\r\n");
            foreach (var line in head.Lines)
            {
                if (line.Rule == HeaderRule.EndToEnd && !HeaderRules.Lists(head.Connection, line.Name))
                {
                    text.Append(line.Name).Append(": ").Append(line.Value).Append("\r\n");
                }
            }

            await below.Transport.Output.WriteAsync(Encoding.Latin1.GetBytes(text.Append("\r\n").ToString()));
        }

        void ApplyHead()
        {
            var response = context.Response;
            var headers = response.Headers;
            response.StatusCode = head.Status;
            if (head.Reason.Length > 0 && head.Reason != ReasonPhrases.GetReasonPhrase(head.Status)
                && context.Features.Get<IHttpResponseFeature>() is { } feature)
            {
                feature.ReasonPhrase = head.Reason;
            }

            foreach (var line in head.Lines)
            {
                var through = line.Rule switch
                {
                    HeaderRule.EndToEnd => head.Connection is null || !HeaderRules.Lists(head.Connection, line.Name),
                    HeaderRule.Upgrade => head.Status is StatusCodes.Status426UpgradeRequired or StatusCodes.Status101SwitchingProtocols,
                    _ => false,
                };
                if (through)
                {
                    var former = headers[line.Name];
                    headers[line.Name] = former.Count == 0 ? line.Value : StringValues.Concat(former, line.Value);
                }
            }

            if (forwarder.Options.HstsSeconds is > 0 and var seconds && context.Request.IsHttps && headers.StrictTransportSecurity.Count == 0)
            {
                headers.StrictTransportSecurity = $"max-age={seconds}";
            }

            if (head.ContentLength is { } length && head.Status is not (StatusCodes.Status204NoContent or 101))
            {
                response.ContentLength = length;
            }
        }

        /// <summary>True when the whole body came, and nothing after it.</summary>
        async ValueTask<bool> PassBodyAsync()
        {
            if (HttpMethods.IsHead(context.Request.Method) || head.Status is StatusCodes.Status204NoContent or StatusCodes.Status304NotModified)
            {
                return true;
            }

            return head.IsChunked ? await PassChunkedAsync()
                : head.ContentLength is { } length ? await PassExactlyAsync(length)
                : await PassToTheEndAsync();
        }

        // Gathers what is there already, so that an answer leaves in as few pieces as it came; nothing is kept back when nothing more is there yet.
        // What was not received with the head goes from the one socket into the other's buffer, without a buffer of ours between.
        async ValueTask<bool> PassExactlyAsync(long left)
        {
            var writer = context.Response.BodyWriter;
            if (connection.Buffered.Length is var there && there >= left)
            {
                await writer.WriteAsync(connection.Buffered[..(int)left]);
                connection.Use((int)left);
                return true;
            }

            await context.Response.StartAsync(); // only then is the writer's memory the visitor's own
            writer.Write(connection.Buffered.Span);
            connection.Use(there);
            left -= there;
            var gathered = there;
            while (left > 0)
            {
                var received = connection.TryReceive(writer.GetMemory((int)Math.Min(left, LargestPiece / 2)).Span, left);
                if (received < 0)
                {
                    await writer.FlushAsync();
                    gathered = 0;
                    await connection.WaitForDataAsync();
                    continue;
                }

                if (received == 0)
                {
                    throw new BadAnswerException($"the connection ended {left} bytes before the end of the body");
                }

                writer.Advance(received);
                left -= received;
                gathered += received;
                if (gathered >= LargestPiece && left > 0)
                {
                    await writer.FlushAsync();
                    gathered = 0;
                }
            }

            await writer.FlushAsync();
            return true;
        }

        BodyCount? Counting()
        {
            if (forwarder.Options.AccessLog is not { IsOn: true })
            {
                return null;
            }

            var count = new BodyCount();
            context.Features.Set(count);
            return count;
        }

        async ValueTask<bool> PassToTheEndAsync()
        {
            var count = Counting();
            while (connection.HasBuffered || await ReceiveMoreAsync())
            {
                var piece = connection.Buffered;
                count?.Bytes += piece.Length;
                await context.Response.BodyWriter.WriteAsync(piece);
                connection.Use(piece.Length);
            }

            return false;
        }

        async ValueTask<bool> PassChunkedAsync()
        {
            var body = new ChunkedBody();
            var count = Counting();

            // Kestrel sends trailers over HTTP/2 only. Where the application announces some, the chunks to an HTTP/1.1 visitor are the router's own.
            var own = head.HasTrailer && context.Request.Protocol == "HTTP/1.1";
            var writer = context.Response.BodyWriter;
            if (own)
            {
                context.Response.Headers.TransferEncoding = "chunked";
            }

            while (!body.IsComplete)
            {
                if (!connection.HasBuffered && !await ReceiveMoreAsync())
                {
                    throw new BadAnswerException("the connection ended within a chunked body");
                }

                var payload = connection.Buffered[..body.Take(connection.Buffered.Span, out var used)];
                if (payload.Length > 0)
                {
                    count?.Bytes += payload.Length;
                    await (own ? WriteChunkAsync(writer, payload) : writer.WriteAsync(payload));
                }

                connection.Use(used);
            }

            if (own)
            {
                await writer.WriteAsync(Encoding.Latin1.GetBytes("0\r\n" + string.Concat(PassableTrailers(body).Select(line => $"{line.Name}: {line.Value}\r\n")) + "\r\n"));
            }
            else if (context.Response.SupportsTrailers())
            {
                foreach (var (name, value) in PassableTrailers(body))
                {
                    context.Response.AppendTrailer(name, value);
                }
            }

            return true;
        }

        static ValueTask<System.IO.Pipelines.FlushResult> WriteChunkAsync(System.IO.Pipelines.PipeWriter writer, ReadOnlyMemory<byte> payload)
        {
            writer.Write(Encoding.ASCII.GetBytes($"{payload.Length:x}\r\n"));
            writer.Write(payload.Span);
            writer.Write("\r\n"u8);
            return writer.FlushAsync();
        }

        static IEnumerable<(string Name, string Value)> PassableTrailers(ChunkedBody body) =>
            body.Trailers.Where(line => line.Name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')
                && HeaderRules.OfResponse(line.Name) == HeaderRule.EndToEnd);

        // What the visitor could already have is flushed before waiting: an event stream is one long answer.
        async ValueTask<bool> ReceiveMoreAsync()
        {
            connection.MakeRoom();
            var receiving = connection.ReceiveAsync();
            if (!receiving.IsCompleted && !context.Response.HasStarted)
            {
                await context.Response.BodyWriter.FlushAsync();
            }

            return await receiving > 0;
        }

        async Task UpgradeAsync()
        {
            ApplyHead();
            if (shape.IsExtendedConnect)
            {
                context.Response.StatusCode = StatusCodes.Status200OK;
                context.Response.Headers.Remove("Upgrade");
                context.Response.Headers.Remove("Sec-WebSocket-Accept");
                await using var stream = await context.Features.GetRequiredFeature<IHttpExtendedConnectFeature>().AcceptAsync();
                await new Tunnel(stream, connection).RunAsync();
                return;
            }

            await using var visitor = await context.Features.GetRequiredFeature<IHttpUpgradeFeature>().UpgradeAsync();
            await new Tunnel(visitor, connection).RunAsync();
        }

        Attempt NothingCame(Exception? trouble)
        {
            if (connection.TimedOut)
            {
                return Attempt.TimedOut;
            }

            if (connection.WasUsed && shape.IsRepeatable && !answerBegan && !connection.HasBuffered && trouble is not BadAnswerException)
            {
                return Attempt.Unseen;
            }

            Log.NoAnswer(forwarder.Logger, connection.Backend, trouble?.Message ?? "the connection ended before an answer");
            return Attempt.Broken;
        }

        async ValueTask<Attempt> AfterTroubleAsync(Exception trouble)
        {
            if (context.RequestAborted.IsCancellationRequested)
            {
                return Attempt.Answered; // nobody is left to answer
            }

            if (!context.Response.HasStarted)
            {
                await StopUploadAsync();
                if (upload is { IsFaulted: true })
                {
                    await upload; // the request was bad: that is why nothing came
                }

                context.Response.Clear();
                return NothingCame(trouble);
            }

            // Never a shortened answer that looks whole: the visitor sees the connection break.
            Log.CutOff(forwarder.Logger, connection.Backend, trouble.Message);
            context.Abort();
            return Attempt.Answered;
        }

        // The body may not be read after the request has ended, so the one who reads it is told to stop and waited for.
        async ValueTask StopUploadAsync()
        {
            if (upload is not { IsCompleted: false })
            {
                return;
            }

            connection.Dispose();
            context.Request.BodyReader.CancelPendingRead();
            try
            {
                await upload;
            }
            catch (BadHttpRequestException)
            {
                // Answered already, or read again by AfterTroubleAsync.
            }
        }
    }

    RouterOptions Options => options;

    Proxies Proxies => proxies;

    TimeProvider Time => time;

    ILogger Logger => log;

    long After(TimeSpan span) => time.GetTimestamp() + (long)(span.TotalSeconds * time.TimestampFrequency);

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "{Backend} gave no answer: {Reason}")]
        public static partial void NoAnswer(ILogger logger, Projects.Backend backend, string reason);

        [LoggerMessage(Level = LogLevel.Information, Message = "{Backend} broke off its answer: {Reason}")]
        public static partial void CutOff(ILogger logger, Projects.Backend backend, string reason);
    }
}

using System.Buffers;
using System.Buffers.Text;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http.Features;

namespace Paas.Receiver.Routing;

/// <summary>What the router has to know of a request before it sends it on.</summary>
/// <param name="HasBody">Bytes follow the head.</param>
/// <param name="Length">How many, or null: then they are sent in chunks.</param>
/// <param name="Upgrade">The protocol asked for, or null.</param>
/// <param name="IsExtendedConnect">The upgrade came as HTTP/2's extended CONNECT (RFC 8441) and is translated.</param>
/// <param name="ExpectsContinue">The visitor waits with the body for "100 Continue".</param>
/// <param name="IsRepeatable">Sent twice it does what it does once, and it has no body that would be spent.</param>
readonly record struct RequestShape(bool HasBody, long? Length, string? Upgrade, bool IsExtendedConnect, bool ExpectsContinue, bool IsRepeatable)
{
    /// <exception cref="BadHttpRequestException">It can be read in two ways, or asks for what a router does not do.</exception>
    public static RequestShape Of(HttpContext context)
    {
        var request = context.Request;
        var headers = request.Headers;
        var transferEncoding = headers.TransferEncoding;
        if (transferEncoding.Count > 0)
        {
            if (transferEncoding.Count > 1 || !string.Equals(transferEncoding[0], "chunked", StringComparison.OrdinalIgnoreCase))
            {
                throw new BadHttpRequestException("Transfer-Encoding other than chunked", StatusCodes.Status501NotImplemented);
            }

            // Kestrel renames a Content-Length that comes with Transfer-Encoding; whoever sends both wants to be understood in two ways.
            if (headers.ContainsKey("X-Content-Length") || request.ContentLength is not null)
            {
                throw new BadHttpRequestException("both Content-Length and Transfer-Encoding");
            }
        }

        var extended = context.Features.Get<IHttpExtendedConnectFeature>() is { IsExtendedConnect: true } connect ? connect.Protocol : null;
        if (HttpMethods.IsConnect(request.Method) && extended is null)
        {
            throw new BadHttpRequestException("CONNECT", StatusCodes.Status405MethodNotAllowed);
        }

        if (extended is not null && !extended.Equals("websocket", StringComparison.OrdinalIgnoreCase))
        {
            throw new BadHttpRequestException("extended CONNECT", StatusCodes.Status501NotImplemented);
        }

        var upgrade = extended ?? (context.Features.Get<IHttpUpgradeFeature>() is { IsUpgradableRequest: true } && headers.Upgrade is { Count: 1 } asked ? asked[0] : null);
        var hasBody = upgrade is null && context.Features.Get<IHttpRequestBodyDetectionFeature>() is not { CanHaveBody: false };
        return new RequestShape(
            hasBody,
            hasBody ? request.ContentLength : null,
            upgrade,
            extended is not null,
            hasBody && string.Equals(headers.Expect, "100-continue", StringComparison.OrdinalIgnoreCase),
            !hasBody && upgrade is null && IsIdempotent(request.Method));
    }

    static bool IsIdempotent(string method) =>
        HttpMethods.IsGet(method) || HttpMethods.IsHead(method) || HttpMethods.IsOptions(method) || HttpMethods.IsTrace(method)
        || HttpMethods.IsPut(method) || HttpMethods.IsDelete(method);
}

/// <summary>
/// Writes a request's head for the application: the visitor's own line and headers, without what belongs to the visitor's connection,
/// with who the visitor is as the router saw it. The buffer is rented; <see cref="Dispose"/> gives it back.
/// </summary>
struct RequestHead : IDisposable
{
    byte[] buffer;
    int length;

    RequestHead(byte[] buffer) => this.buffer = buffer;

    public readonly ReadOnlyMemory<byte> Bytes => buffer.AsMemory(0, length);

    /// <exception cref="BadHttpRequestException">A character in it would end a line or cannot be sent.</exception>
    public static RequestHead Of(HttpContext context, in RequestShape shape, bool peerIsTrusted)
    {
        var head = new RequestHead(ArrayPool<byte>.Shared.Rent(4096));
        try
        {
            head.Write(context, shape, peerIsTrusted);
            return head;
        }
        catch
        {
            head.Dispose(); // whatever was wrong, the buffer goes back
            throw;
        }
    }

    /// <summary>Adds a body that is there already, so that both leave in one packet.</summary>
    public void Append(in ReadOnlySequence<byte> body)
    {
        Reserve((int)body.Length);
        body.CopyTo(buffer.AsSpan(length));
        length += (int)body.Length;
    }

    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = [];
        length = 0;
    }

    void Write(HttpContext context, in RequestShape shape, bool peerIsTrusted)
    {
        var request = context.Request;
        var headers = request.Headers;

        Text(shape.IsExtendedConnect ? "GET" : request.Method);
        Raw(" "u8);
        Text(TargetOf(context));
        Raw(" HTTP/1.1\r\nHost: "u8);
        Text(request.Host.Value ?? "");
        Raw("\r\n"u8);

        var connection = headers.Connection.Count == 0 ? null : headers.Connection.ToString();
        if (connection is not null && (connection.Equals("keep-alive", StringComparison.OrdinalIgnoreCase) || connection.Equals("close", StringComparison.OrdinalIgnoreCase)))
        {
            connection = null; // lists nothing
        }

        foreach (var (name, values) in headers)
        {
            // A cookie may come in pieces over HTTP/2; an HTTP/1.1 application gets it whole.
            if (name.Length > 0 && name[0] != ':' && GoesThrough(name, connection, shape, peerIsTrusted))
            {
                if (values.Count > 1 && name.Equals("Cookie", StringComparison.OrdinalIgnoreCase))
                {
                    Header(name, string.Join("; ", values.ToArray()));
                }
                else
                {
                    foreach (var value in values)
                    {
                        Header(name, value ?? "");
                    }
                }
            }
        }

        WriteFraming(headers, shape);
        WriteForwarding(context, peerIsTrusted);
        Raw("\r\n"u8);
    }

    // Origin form whatever the visitor sent: the absolute form's host is the Host header's, Kestrel has compared them.
    public static string TargetOf(HttpContext context)
    {
        var raw = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        if (raw.Length > 0 && (raw[0] == '/' || raw == "*"))
        {
            return raw;
        }

        var authority = raw.IndexOf("://", StringComparison.Ordinal) is >= 0 and var scheme ? scheme + 3 : 0;
        var path = raw.AsSpan(authority).IndexOfAny('/', '?');
        return path < 0 ? (HttpMethods.IsOptions(context.Request.Method) ? "*" : "/")
            : raw[authority + path] == '?' ? "/" + raw[(authority + path)..]
            : raw[(authority + path)..];
    }

    static bool GoesThrough(string name, string? connection, in RequestShape shape, bool peerIsTrusted) => HeaderRules.OfRequest(name) switch
    {
        HeaderRule.EndToEnd => connection is null || !HeaderRules.Lists(connection, name),
        HeaderRule.Forwarding => peerIsTrusted && !IsWritten(name),
        _ => false,
    };

    static bool IsWritten(string name) =>
        name.Equals("X-Forwarded-For", StringComparison.OrdinalIgnoreCase) || name.Equals("X-Forwarded-Proto", StringComparison.OrdinalIgnoreCase)
        || name.Equals("X-Forwarded-Host", StringComparison.OrdinalIgnoreCase) || name.Equals("X-Forwarded-Port", StringComparison.OrdinalIgnoreCase)
        || name.Equals("Forwarded", StringComparison.OrdinalIgnoreCase);

    void WriteFraming(IHeaderDictionary headers, in RequestShape shape)
    {
        if (shape.Upgrade is { } protocol)
        {
            Raw("Connection: Upgrade\r\n"u8);
            Header("Upgrade", protocol);
            if (shape.IsExtendedConnect)
            {
                Header("Sec-WebSocket-Key", Convert.ToBase64String(RandomNumberGenerator.GetBytes(16)));
            }
        }
        else if (headers.TE.Count > 0 && headers.TE.ToString().Contains("trailers", StringComparison.OrdinalIgnoreCase))
        {
            Raw("Connection: TE\r\nTE: trailers\r\n"u8);
        }

        if (shape.Length is { } bytes)
        {
            Raw("Content-Length: "u8);
            Number(bytes);
            Raw("\r\n"u8);
        }
        else if (shape.HasBody)
        {
            Raw("Transfer-Encoding: chunked\r\n"u8);
        }
        else if (headers.ContentLength == 0)
        {
            Raw("Content-Length: 0\r\n"u8);
        }
    }

    void WriteForwarding(HttpContext context, bool peerIsTrusted)
    {
        var request = context.Request;
        var headers = request.Headers;
        var host = request.Host.Value ?? "";
        var peer = context.Connection.RemoteIpAddress;
        if (peer is { IsIPv4MappedToIPv6: true })
        {
            peer = peer.MapToIPv4();
        }

        Raw("X-Forwarded-For: "u8);
        Before(peerIsTrusted, headers["X-Forwarded-For"].ToString());
        Address(peer);
        Raw("\r\nX-Forwarded-Proto: "u8);
        Text(Believed(peerIsTrusted, headers["X-Forwarded-Proto"], request.Scheme));
        Raw("\r\nX-Forwarded-Host: "u8);
        Text(Believed(peerIsTrusted, headers["X-Forwarded-Host"], host));
        Raw("\r\nX-Forwarded-Port: "u8);
        if (peerIsTrusted && headers["X-Forwarded-Port"] is { Count: > 0 } port)
        {
            Text(port.ToString());
        }
        else
        {
            Number(context.Connection.LocalPort);
        }

        Raw("\r\nForwarded: "u8);
        Before(peerIsTrusted, headers["Forwarded"].ToString());
        Raw("for="u8);
        var isV6 = peer is { AddressFamily: AddressFamily.InterNetworkV6 };
        Raw(isV6 ? "\"["u8 : ""u8);
        Address(peer);
        Raw(isV6 ? "]\""u8 : ""u8);
        Raw(";host=\""u8);
        Text(host);
        Raw("\";proto="u8);
        Text(request.Scheme);
        Raw("\r\n"u8);
    }

    static string Believed(bool peerIsTrusted, Microsoft.Extensions.Primitives.StringValues said, string seen) =>
        peerIsTrusted && said.Count > 0 ? said.ToString() : seen;

    void Before(bool peerIsTrusted, string earlier)
    {
        if (peerIsTrusted && earlier.Length > 0)
        {
            Text(earlier);
            Raw(", "u8);
        }
    }

    void Header(string name, string value)
    {
        Text(name);
        Raw(": "u8);
        Text(value);
        Raw("\r\n"u8);
    }

    void Address(IPAddress? address)
    {
        Reserve(64);
        if (address is null)
        {
            Raw("unknown"u8);
            return;
        }

        address.TryFormat(buffer.AsSpan(length), out var written);
        length += written;
    }

    void Number(long number)
    {
        Reserve(20);
        Utf8Formatter.TryFormat(number, buffer.AsSpan(length), out var written);
        length += written;
    }

    void Raw(ReadOnlySpan<byte> bytes)
    {
        Reserve(bytes.Length);
        bytes.CopyTo(buffer.AsSpan(length));
        length += bytes.Length;
    }

    void Text(string text)
    {
        Reserve(text.Length);
        if (text.AsSpan().IndexOfAny('\r', '\n', '\0') >= 0)
        {
            throw new BadHttpRequestException("a line break in a header");
        }

        if (Ascii.FromUtf16(text, buffer.AsSpan(length), out var written) != OperationStatus.Done)
        {
            // Kestrel was told to read headers as Latin-1 (RouterListener), so every byte comes back as it was.
            foreach (var c in text)
            {
                buffer[length++] = c <= '\xff' ? (byte)c : throw new BadHttpRequestException("a character that cannot be sent in a header");
            }

            return;
        }

        length += written;
    }

    void Reserve(int bytes)
    {
        if (buffer.Length - length >= bytes)
        {
            return;
        }

        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(buffer.Length * 2, length + bytes));
        buffer.AsSpan(0, length).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = larger;
    }
}

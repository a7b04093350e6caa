using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace Paas.Receiver.Notifications;

/// <summary>
/// A POST of the facts as JSON, signed: <c>X-Paas-Signature: sha256=HMAC(secret, timestamp + "." + body)</c>. Neither redirects nor proxies are followed, and unless it is allowed
/// nothing on this machine or its link is reached, whatever name leads there: a project must not talk to the receiver's own neighbours through the receiver.
/// </summary>
/// <param name="anywhere"><c>PAAS_NOTIFY_PRIVATE</c>: loopback and link-local addresses too.</param>
sealed class WebhookChannel(bool anywhere, TimeProvider time) : INotificationChannel, IDisposable
{
    const int LeastSecret = 8;

    static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(10);

    readonly HttpMessageInvoker client = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseProxy = false,
        UseCookies = false,
        ConnectTimeout = ConnectLimit,
        PooledConnectionLifetime = TimeSpan.FromMinutes(1),
        ConnectCallback = (context, ct) => ConnectAsync(context.DnsEndPoint, anywhere, ct),
    });

    public string Name => "webhook";

    public string? WhyNot(Recipient recipient) =>
        !Uri.TryCreate(recipient.Target, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https") || uri.UserInfo.Length > 0 ? "is no http or https URL without user and password"
        : recipient.Secret is not { Length: >= LeastSecret } ? $"needs a secret of at least {LeastSecret} characters beside it, to sign with"
        : !anywhere && IPAddress.TryParse(uri.Host.Trim('[', ']'), out var address) && IsNearby(address) ? "leads to this machine or its link"
        : null;

    public async Task SendAsync(Notice notice, Recipient recipient, CancellationToken ct)
    {
        if (WhyNot(recipient) is { } why)
        {
            throw new UndeliverableException(why);
        }

        var body = notice.Body();
        var timestamp = time.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        using var request = new HttpRequestMessage(HttpMethod.Post, recipient.Target) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.Headers.Add("User-Agent", "Paas.Receiver");
        request.Headers.Add("X-Paas-Event", notice.Event);
        request.Headers.Add("X-Paas-Delivery", notice.Id);
        request.Headers.Add("X-Paas-Timestamp", timestamp);
        request.Headers.Add("X-Paas-Signature", "sha256=" + Sign(recipient.Secret!, timestamp, body));
        using var response = await SendAsync(request, ct);
        var status = (int)response.StatusCode;
        if (status is >= 300 and < 500 and not (408 or 425 or 429))
        {
            throw new UndeliverableException($"it was answered with {status}");
        }

        if (status >= 300)
        {
            throw new HttpRequestException($"it was answered with {status}");
        }
    }

    public void Dispose() => client.Dispose();

    async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken ct)
    {
        try
        {
            return await client.SendAsync(request, ct);
        }
        catch (HttpRequestException e) when (e.InnerException is UndeliverableException undeliverable)
        {
            throw new UndeliverableException(undeliverable.Message, e);
        }
    }

    /// <summary>What the receiving side computes too, over the very bytes of the body.</summary>
    public static string Sign(string secret, string timestamp, ReadOnlySpan<byte> body) =>
        Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), (byte[])[.. Encoding.ASCII.GetBytes(timestamp + "."), .. body]));

    /// <summary>This machine or its link, in any way of writing it.</summary>
    public static bool IsNearby(IPAddress address)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        if (plain.AddressFamily == AddressFamily.InterNetworkV6)
        {
            var bytes = plain.GetAddressBytes();

            // The last four bytes of a translated or compatible address are an IPv4 address (64:ff9b::/96, ::/96).
            var carries = bytes.AsSpan(0, 12).SequenceEqual((ReadOnlySpan<byte>)[0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]) || bytes.AsSpan(0, 12).IndexOfAnyExcept((byte)0) < 0;
            return IPAddress.IsLoopback(plain) || plain.IsIPv6LinkLocal || plain.IsIPv6Multicast || plain.Equals(IPAddress.IPv6Any) || (carries && IsNearby(new IPAddress(bytes.AsSpan(12))));
        }

        var octets = plain.GetAddressBytes();
        return octets[0] is 0 or 127 or >= 224 || (octets[0] == 169 && octets[1] == 254);
    }

    // The address that was looked at is the one that is connected to: a name may lead elsewhere the next time it is asked for.
    static async ValueTask<Stream> ConnectAsync(DnsEndPoint target, bool anywhere, CancellationToken ct)
    {
        var addresses = await Dns.GetHostAddressesAsync(target.Host, ct);
        var reachable = addresses.Where(address => anywhere || !IsNearby(address)).ToArray();
        if (reachable.Length == 0)
        {
            throw new UndeliverableException($"{target.Host} leads to this machine or its link");
        }

        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(reachable, target.Port, ct);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}

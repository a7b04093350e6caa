using System.Net;
using Xunit;

namespace Paas.Receiver.Access;

public sealed class ProxiesTests
{
    static readonly Proxies Some = new([IPNetwork.Parse("10.0.0.0/8"), IPNetwork.Parse("127.0.0.1/32")]);

    [Theory]
    [InlineData("192.0.2.7", "203.0.113.1", "192.0.2.7")] // not from a proxy of ours
    [InlineData("10.1.2.3", "203.0.113.1", "203.0.113.1")]
    [InlineData("10.1.2.3", "1.1.1.1, 203.0.113.1", "203.0.113.1")] // what the client wrote itself is before it
    [InlineData("10.1.2.3", "1.1.1.1, 203.0.113.1, 10.9.9.9", "203.0.113.1")] // two proxies
    [InlineData("10.1.2.3", "203.0.113.1:4711", "203.0.113.1")]
    [InlineData("10.1.2.3", "[2001:db8::1]:443", "2001:db8::1")]
    [InlineData("10.1.2.3", "unknown", "10.1.2.3")]
    [InlineData("10.1.2.3", "203.0.113.1, nonsense, 10.9.9.9", "10.9.9.9")]
    [InlineData("10.1.2.3", "", "10.1.2.3")]
    [InlineData("::ffff:127.0.0.1", "203.0.113.1", "203.0.113.1")]
    public void The_nearest_address_that_is_no_proxy_is_the_client(string peer, string header, string client) =>
        Assert.Equal(IPAddress.Parse(client), Some.ClientOf(IPAddress.Parse(peer), header));

    [Fact]
    public void Without_trusted_proxies_the_header_says_nothing() =>
        Assert.Equal(IPAddress.Loopback, Proxies.None.ClientOf(IPAddress.Loopback, "203.0.113.1"));
}

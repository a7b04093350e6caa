using System.Net;
using System.Net.Sockets;
using Xunit;

namespace Paas.Receiver.Processes;

public class ListeningSocketsTests
{
    [Fact]
    public void A_listening_socket_is_found_by_its_port_and_by_its_owner_and_a_closed_one_is_not()
    {
        foreach (var address in new[] { IPAddress.Loopback, IPAddress.Any, IPAddress.IPv6Loopback })
        {
            using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(address, 0));
            var port = ((IPEndPoint)socket.LocalEndPoint!).Port;
            Assert.Empty(ListeningSockets.On(port));
            socket.Listen();

            var found = Assert.Single(ListeningSockets.On(port));

            Assert.Equal(port, found.Port);
            Assert.Equal($"socket:[{found.Number}]", new FileInfo($"/proc/self/fd/{socket.Handle}").LinkTarget);
            Assert.Contains(found, ListeningSockets.On(0));
        }
    }
}

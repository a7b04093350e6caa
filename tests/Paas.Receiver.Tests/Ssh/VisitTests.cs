using System.Buffers.Binary;
using System.Net;
using System.Text;
using Xunit;

namespace Paas.Receiver.Ssh;

public sealed class VisitTests
{
    [Fact]
    public async Task What_the_relay_says_is_read_and_what_becomes_a_variable_is_made_harmless()
    {
        var visit = await ReadAsync("7\0192.0.2.9\0tty\0xterm-256color\0de_DE.UTF-8\0version=2\0git-upload-pack '/a.git'\0");
        Assert.Equal(new Visit(7, IPAddress.Parse("192.0.2.9"), true, "xterm-256color", "de_DE.UTF-8", "version=2", "git-upload-pack '/a.git'"), visit);

        var hostile = await ReadAsync("7\0nonsense\0\0$(reboot)\0C\nLD_PRELOAD=x\0\0\0");
        Assert.Equal(("", "", IPAddress.None, false), (hostile.Terminal, hostile.Language, hostile.From, hostile.HasTerminal));
    }

    [Theory]
    [InlineData("")]
    [InlineData("7\0")]
    [InlineData("x\0192.0.2.9\0tty\0a\0b\0c\0d\0")]
    [InlineData("7\0192.0.2.9\0tty\0a\0b\0c\0d\0e\0")]
    [InlineData("7\0192.0.2.9\0tty\0a\0b\0c\0d")]
    public async Task What_is_no_request_is_refused(string body) => await Assert.ThrowsAsync<InvalidDataException>(() => ReadAsync(body));

    [Fact]
    public async Task A_request_without_end_is_not_waited_for()
    {
        var head = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(head, uint.MaxValue);
        await Assert.ThrowsAsync<InvalidDataException>(() => Visit.ReadAsync(new MemoryStream(head), default));
        await Assert.ThrowsAsync<EndOfStreamException>(() => Visit.ReadAsync(new MemoryStream([0, 0, 0, 9, 1]), default));
    }

    static Task<Visit> ReadAsync(string body)
    {
        var bytes = Encoding.UTF8.GetBytes(body);
        var all = new byte[4 + bytes.Length];
        BinaryPrimitives.WriteUInt32BigEndian(all, (uint)bytes.Length);
        bytes.CopyTo(all, 4);
        return Visit.ReadAsync(new MemoryStream(all), default);
    }
}

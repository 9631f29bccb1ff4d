package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// TestOverAQueue runs the tests of the outbox on one that is handed deliveries by its store.
func TestOverAQueue(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T){
		"TestADeliveryIsSentAtOnce":                               TestADeliveryIsSentAtOnce,
		"TestARetryBacksOffAndObeysTheService":                    TestARetryBacksOffAndObeysTheService,
		"TestAPermanentErrorIsDeadAtOnceAndCanBeRedriven":         TestAPermanentErrorIsDeadAtOnceAndCanBeRedriven,
		"TestTheLimitsOfThePolicy":                                TestTheLimitsOfThePolicy,
		"TestOrderIsKeptPerWatchAndDestination":                   TestOrderIsKeptPerWatchAndDestination,
		"TestAHangingDestinationHoldsUpNoOther":                   TestAHangingDestinationHoldsUpNoOther,
		"TestAnUnknownOutcomeIsLookedUpBeforeAnythingIsSentAgain": TestAnUnknownOutcomeIsLookedUpBeforeAnythingIsSentAgain,
		"TestWhatDidNotArriveIsSentAgain":                         TestWhatDidNotArriveIsSentAgain,
		"TestALookThatFailsHoldsTheSendBack":                      TestALookThatFailsHoldsTheSendBack,
		"TestWhereNobodyCanLookTheMessageGoesAgainAndSaysSo":      TestWhereNobodyCanLookTheMessageGoesAgainAndSaysSo,
		"TestWhatWasSentOnceIsNoDouble":                           TestWhatWasSentOnceIsNoDouble,
		"TestAnUnknownOutcomeIsLookedUpEvenWhenNoSendIsLeft":      TestAnUnknownOutcomeIsLookedUpEvenWhenNoSendIsLeft,
		"TestAnAttemptThatAKilledProcessLeftOpenIsLookedUp":       TestAnAttemptThatAKilledProcessLeftOpenIsLookedUp,
		"TestAPanicIsAnUnknownOutcome":                            TestAPanicIsAnUnknownOutcome,
		"TestStoppingFinishesWhatIsInFlight":                      TestStoppingFinishesWhatIsInFlight,
		"TestStoppingDoesNotWaitForAHangingService":               TestStoppingDoesNotWaitForAHangingService,
		"TestAConnectionThatDoesNotAllowItKillsTheDelivery":       TestAConnectionThatDoesNotAllowItKillsTheDelivery,
		"TestANameIsResolvedOnceAndJudgedByAllItsNames":           TestANameIsResolvedOnceAndJudgedByAllItsNames,
		"TestAnUnknownConnectionKillsTheDelivery":                 TestAnUnknownConnectionKillsTheDelivery,
		"TestATemplateThatFailsNeverLosesTheMessage":              TestATemplateThatFailsNeverLosesTheMessage,
		"TestADestinationThatCannotBeReadIsDead":                  TestADestinationThatCannotBeReadIsDead,
		"TestRatesOfADestinationAndOfTheConnection":               TestRatesOfADestinationAndOfTheConnection,
		"TestABacklogForSlackProvokesNoRefusal":                   TestABacklogForSlackProvokesNoRefusal,
		"TestARenamedChannelIsResolvedAnew":                       TestARenamedChannelIsResolvedAnew,
		"TestAServiceThatCannotResolveIsLeftAlone":                TestAServiceThatCannotResolveIsLeftAlone,
		"TestFailuresBeforeASendBackOffToo":                       TestFailuresBeforeASendBackOffToo,
		"TestAHangingServiceCannotTakeEverything":                 TestAHangingServiceCannotTakeEverything,
		"TestAReloadedRateHoldsForWhatWaits":                      TestAReloadedRateHoldsForWhatWaits,
		"TestWhatWaitsIsJudgedAnew":                               TestWhatWaitsIsJudgedAnew,
		"TestACallUnderWayEndsAsItBegan":                          TestACallUnderWayEndsAsItBegan,
		"TestAReloadedPolicyHolds":                                TestAReloadedPolicyHolds,
		"TestASilenceHoldsBackWhatItMatchesAndReleasesTheNext":    TestASilenceHoldsBackWhatItMatchesAndReleasesTheNext,
		"TestASilencedServiceIsNotEvenAsked":                      TestASilencedServiceIsNotEvenAsked,
		"TestASilenceIsObeyedWithinSecondsAndAsLongAsItLasts":     TestASilenceIsObeyedWithinSecondsAndAsLongAsItLasts,
		"TestARedrivenDeliveryIsSentWhateverIsSilenced":           TestARedrivenDeliveryIsSentWhateverIsSilenced,
		"TestAReleasedDeliveryIsSilencedAndCanBeRedriven":         TestAReleasedDeliveryIsSilencedAndCanBeRedriven,
		"TestAnUnknownOutcomeIsLookedUpBeforeASilenceIsObeyed":    TestAnUnknownOutcomeIsLookedUpBeforeASilenceIsObeyed,
		"TestWhatWaitedIsJudgedAnew":                              TestWhatWaitedIsJudgedAnew,
		"TestAServiceThatFailsIsProbedOnly":                       TestAServiceThatFailsIsProbedOnly,
		"TestTheOldDieDuringAnOutage":                             TestTheOldDieDuringAnOutage,
		"TestAChannelThatHangsAloneHoldsUpNoOther":                TestAChannelThatHangsAloneHoldsUpNoOther,
		"TestADeadServiceDelaysNoOther":                           TestADeadServiceDelaysNoOther,
		"TestRefusalsAndRateLimitsAreAnswers":                     TestRefusalsAndRateLimitsAreAnswers,
		"TestAReloadTriesAServiceThatFailedAtOnce":                TestAReloadTriesAServiceThatFailedAtOnce,
		"TestWhatIsOverIsNotSentAgain":                            TestWhatIsOverIsNotSentAgain,
		"TestWhatIsOverMayHaveArrived":                            TestWhatIsOverMayHaveArrived,
		"TestWhatIsOverIsLookedUpAfterAKill":                      TestWhatIsOverIsLookedUpAfterAKill,
		"TestWhatIsOverIsGivenUpQuietly":                          TestWhatIsOverIsGivenUpQuietly,
		"TestWhatIsOverIsNotSilenced":                             TestWhatIsOverIsNotSilenced,
		"TestWhatIsOverAndRedrivenIsSent":                         TestWhatIsOverAndRedrivenIsSent,
		"TestANoisyProjectStarvesNoOther":                         TestANoisyProjectStarvesNoOther,
		"ProjectsTakeTurnsAtServers":                              projectsTakeTurnsAtServers,
		"RemindersComeLast":                                       remindersComeLast,
		"ALaneThatHangsLetsOthersCome":                            aLaneThatHangsLetsOthersCome,
		"ASendHasItsFullTime":                                     aSendHasItsFullTime,
		"ServersObeyWhatTheServiceToldOne":                        serversObeyWhatTheServiceToldOne,
		"BackOffGrowsWhicheverServerTries":                        backOffGrowsWhicheverServerTries,
		"AnAttemptOfALivingServerIsLeftAlone":                     anAttemptOfALivingServerIsLeftAlone,
		"AJobGivenUpAtAStopIsTakenOverAtOnce":                     aJobGivenUpAtAStopIsTakenOverAtOnce,
		"AQuietLaneWaitsForNoBusyOne":                             aQuietLaneWaitsForNoBusyOne,
		"AQuietLaneWaitsForNoHangingOne":                          aQuietLaneWaitsForNoHangingOne,
		"ABacklogGoesAtTheReloadedRate":                           aBacklogGoesAtTheReloadedRate,
		"TestWhatWaitsForAPlaceIsJudgedAnew":                      TestWhatWaitsForAPlaceIsJudgedAnew,
		"ABacklogOfALaneIsWorkedOffAtItsRate":                     aBacklogOfALaneIsWorkedOffAtItsRate,
	} {
		t.Run(name, test)
	}
}

// aLaneThatHangsLetsOthersCome hangs for more deliveries than there are places, and heals.
func aLaneThatHangsLetsOthersCome(t *testing.T) {
	var hanging atomic.Int32
	var healed atomic.Bool
	s := &service{send: func(ctx context.Context, p *place, _ notifier.Message) error {
		if p.Channel != "#hang" || healed.Load() {
			return nil
		}
		hanging.Add(1)
		defer hanging.Add(-1)
		<-ctx.Done()
		return notifier.Retry.Errorf("hangs")
	}}
	run(t, s, func(b *bench) {
		b.start()
		for i := range 40 {
			b.add(fmt.Sprint("h", i), "#hang")
		}
		b.pass(5 * time.Second)
		require.EqualValues(b.t, 16, hanging.Load())
		ok := b.add("w1", "#a")
		synctest.Wait()
		require.Equal(b.t, store.Delivered, b.get(ok[0]).State)
		healed.Store(true)
		b.pass(2 * time.Minute)
		require.Len(b.t, s.sent(), 41)
	})
}

// aSendHasItsFullTime resolves a name so slowly that no time is left for the send.
func aSendHasItsFullTime(t *testing.T) {
	var asked tally
	s := &service{}
	s.names = func(*place) (notifier.Resolved, error) {
		if asked.note() == 1 {
			<-time.After(13 * time.Second)
		}
		return notifier.Resolved{ID: "C1", Names: []string{"#a"}}, nil
	}
	s.send = func(ctx context.Context, _ *place, _ notifier.Message) error {
		end, ok := ctx.Deadline()
		if !ok || time.Until(end) < 15*time.Second {
			return errors.New("cut short")
		}
		return nil
	}
	run(t, resolving{s}, func(b *bench) {
		b.start()
		ids := b.add("w1", "#a")
		b.pass(12 * time.Second)
		require.Zero(b.t, b.get(ids[0]).Attempts)
		b.pass(10 * time.Second)
		d := b.get(ids[0])
		require.Equal(b.t, store.Delivered, d.State, d.LastError)
		require.Equal(b.t, 1, d.Attempts)
	})
}

func serversObeyWhatTheServiceToldOne(t *testing.T) {
	var calls tally
	s := &service{send: func(context.Context, *place, notifier.Message) error {
		if calls.note() == 1 {
			return notifier.RetryAfter(90*time.Second, errors.New("slow down"))
		}
		return nil
	}}
	run(t, s, func(b *bench) {
		b.start()
		b.start()
		b.add("w1", "#a")
		synctest.Wait()
		for i := range 10 {
			b.add(fmt.Sprint("v", i), "#a")
		}
		b.pass(89 * time.Second)
		require.Equal(b.t, 1, calls.count(), "no server calls before the time")
		b.pass(time.Minute)
		require.Len(b.t, s.sent(), 11)
	})
}

func backOffGrowsWhicheverServerTries(t *testing.T) {
	var calls tally
	s := &service{send: func(context.Context, *place, notifier.Message) error {
		calls.note()
		return notifier.Retry.Errorf("busy")
	}}
	run(t, s, func(b *bench) {
		for range 3 {
			b.start()
		}
		b.add("w1", "#a")
		b.pass(10 * time.Minute)
		at := calls.times()
		require.Greater(b.t, len(at), 6)
		for i := 2; i < 8; i++ {
			full := time.Second << (i - 1)
			require.GreaterOrEqual(b.t, at[i].Sub(at[i-1]), full/2, "try %d", i)
			require.LessOrEqual(b.t, at[i].Sub(at[i-1]), full+time.Second, "try %d", i)
		}
	})
}

// anAttemptOfALivingServerIsLeftAlone hands a delivery to a second server while the first one sends.
func anAttemptOfALivingServerIsLeftAlone(t *testing.T) {
	s := &service{send: func(context.Context, *place, notifier.Message) error {
		<-time.After(14 * time.Second)
		return nil
	}}
	run(t, lookable{s}, func(b *bench) {
		b.start()
		ids := b.add("w1", "#a")
		synctest.Wait()
		b.queue.rescue(ids[0])
		b.start()
		b.pass(time.Minute)
		d := b.get(ids[0])
		require.Equal(b.t, store.Delivered, d.State)
		require.Equal(b.t, 1, d.Attempts)
		require.Len(b.t, s.sent(), 1)
		require.Zero(b.t, s.asked())
	})
}

// aJobGivenUpAtAStopIsTakenOverAtOnce stops a server whose send hangs, beside another.
func aJobGivenUpAtAStopIsTakenOverAtOnce(t *testing.T) {
	var calls tally
	s := &service{send: func(ctx context.Context, _ *place, _ notifier.Message) error {
		if calls.note() == 1 {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}}
	run(t, lookable{s}, func(b *bench) {
		b.config.Timeout = time.Minute
		b.start()
		ids := b.add("w1", "#a")
		synctest.Wait()
		first := b.stop
		b.stop = func() {}
		b.start()
		first()
		b.pass(5 * time.Second)
		d := b.get(ids[0])
		require.Equal(b.t, store.Delivered, d.State)
		require.True(b.t, d.Double, "it may arrive still")
		require.Equal(b.t, 1, s.asked(), "its outcome was recorded as unknown")
	})
}

func aBacklogOfALaneIsWorkedOffAtItsRate(t *testing.T) {
	s := &service{}
	run(t, s, func(b *bench) {
		b.conns[0].Rate = notifier.Rate{PerSecond: 5, Burst: 5}
		for range 2 {
			b.start()
		}
		for i := range 105 {
			b.add(fmt.Sprint("w", i), "#a")
		}
		b.pass(10 * time.Second)
		require.LessOrEqual(b.t, len(s.sent()), 55, "the rate is of all servers together")
		require.GreaterOrEqual(b.t, len(s.sent()), 50, "and used")
		b.pass(15 * time.Second)
		require.Len(b.t, s.sent(), 105)
	})
}
